import pytest
from tests.browser import browser
from tests.explain.pages import opened


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A Chromium context, and a folder for the pages it opens: each is written once."""
    with browser() as context:
        yield context, tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="session")
def free_tabs():
    """Tabs that tests have left, for other tests: a new one costs as much as the page in it."""
    return []


@pytest.fixture
def show(chromium, free_tabs):
    """Opens a page by its name in ``pages.SHOWN``; fails on errors and on requests."""
    context, folder = chromium
    tabs = []

    def show(name, **options):
        tab = free_tabs.pop() if free_tabs else None
        tabs.append(opened(context, folder, name, tab=tab, **options))
        return tabs[-1]

    show.folder = folder
    yield show
    complaints = [tab.errors for tab in tabs]
    outside = [tab.outside("file:") for tab in tabs]
    free_tabs.extend(left for tab in tabs if (left := tab.leave()))
    assert not any(complaints), complaints
    assert not any(outside), outside
