import contextlib

import pytest
from tests.browser import browser, leaving
from tests.explain.pages import kept_open, opened


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


@pytest.fixture(scope="module")
def shared(chromium):
    """Opens a page by its name once for a file, and puts it back to its first state for each test.

    For tests that read, and change the store and fields alone: text size, theme, folds, the stop
    of the Tab key in the drawing, what is closed or scrolled within the page, and whether the last
    input was a pointer's or a key (``:focus-visible``) are not put back.
    """
    with contextlib.ExitStack() as stack:
        pages = {}

        def page(name):
            if name not in pages:
                tab = opened(*chromium, name)
                pages[name] = tab, stack.enter_context(kept_open(tab))
            tab, put_back = pages[name]
            put_back()
            return tab

        yield page
