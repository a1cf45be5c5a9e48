"""A real browser for tests of pages: Debian's Chromium, driven by Playwright, with no network."""

import atexit
import contextlib
import functools
import os
import shutil

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium():
    """The path of the browser; without one the test is skipped, or fails where one is required."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("DELTARULE_REQUIRE_BROWSER"):
            pytest.fail("DELTARULE_REQUIRE_BROWSER is set and there is no chromium on the PATH")
        pytest.skip("there is no chromium on the PATH; pages are tested in a real one")
    return found


@functools.cache
def started():
    """The browser of this process: starting one takes more time than most tests of pages."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    playwright = sync_playwright().start()
    found = playwright.chromium.launch(executable_path=path, args=FLAGS, headless=True)
    atexit.register(playwright.stop)
    atexit.register(found.close)
    return found


@contextlib.contextmanager
def browser():
    """An empty profile, which shares nothing with others, in the browser of this process."""
    context = started().new_context()
    try:
        yield context
    finally:
        context.close()


def violations(page):
    """What axe objects to, with the elements."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in Axe().run(page).response["violations"]
    ]


class Watched:
    """A page in a tab, new or given, whose console errors and requests are written down."""

    def __init__(self, context, tab=None, **options):
        self.page = tab or context.new_page()
        self.errors, self.requests = [], []
        self._listeners = {
            "console": self._console,
            "pageerror": lambda error: self.errors.append(str(error)),
            "request": lambda request: self.requests.append(request.url),
        }
        for event, listener in self._listeners.items():
            self.page.on(event, listener)
        if options:
            self.page.set_viewport_size(options)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def leave(self):
        """Leave the page; gives its tab for another one, or None if it was closed."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        if self.page.is_closed():
            return None
        self.page.evaluate("localStorage.clear()")
        self.page.goto("about:blank")
        return self.page

    def outside(self, *allowed):
        """Requests to anywhere but what is named and data in the page itself."""
        own = ("data:", "blob:", *allowed)
        return [url for url in self.requests if not url.startswith(own)]
