import pytest
from tests.browser import browser, leaving
from tests.explain.pages import opened


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A Chromium context, and a folder for the pages it opens: each is written once."""
    with browser() as context:
        yield context, tmp_path_factory.mktemp("pages")


@pytest.fixture
def context(chromium):
    """The same context, for tests that open files of their own: their tabs are left at the end."""
    with leaving(chromium[0]) as context:
        yield context


@pytest.fixture
def show(chromium):
    """Opens a page by its name in ``pages.SHOWN``; fails on errors and on requests."""
    context, folder = chromium
    tabs = []

    def show(name, **options):
        tabs.append(opened(context, folder, name, **options))
        return tabs[-1]

    show.folder = folder
    yield show
    complaints = [tab.errors for tab in tabs]
    outside = [tab.outside("file:") for tab in tabs]
    for tab in tabs:
        tab.close()
    assert not any(complaints), complaints
    assert not any(outside), outside
