"""The playground without a server, opened in a browser."""

import contextlib

from tests.browser import Watched, browser

from deltarule.playground import write_static_playground

PROJECTOR = {"width": 1280, "height": 720}


@contextlib.contextmanager
def static_page(folder, *, anchor="", context=None, **size):
    """Write the page to a folder and open it; in the end no error may have been logged.

    It has a profile of its own, or that of ``context``, and the size of a projector unless a width
    and a height are given.
    """
    path = write_static_playground(folder / "playground.html")
    with contextlib.ExitStack() as stack:
        found = context or stack.enter_context(browser())
        watched = Watched(found, **(size or PROJECTOR))
        watched.page.goto(f"{path.as_uri()}{anchor}")
        watched.page.wait_for_selector("[data-node]", timeout=60_000)
        yield watched.page
        assert watched.errors == []


def usual_text(page):
    """Take the text back to its usual size."""
    page.evaluate("localStorage.removeItem('deltarule-scale')")
    while float(page.evaluate("document.documentElement.style.getPropertyValue('--scale')")) > 1.01:
        page.locator("#smaller").click()
