"""A real browser for tests of pages: Debian's Chromium, driven by Playwright, with no network."""

import contextlib
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


@contextlib.contextmanager
def browser(folder):
    """A browser with an empty profile in ``folder``."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(folder), executable_path=path, args=FLAGS, headless=True
        )
        try:
            yield context
        finally:
            context.close()


class Watched:
    """A page whose console errors and requests are written down."""

    def __init__(self, context, **options):
        self.page = context.new_page()
        self.errors, self.requests = [], []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        if options:
            self.page.set_viewport_size(options)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def outside(self, *allowed):
        """Requests to anywhere but what is named and data in the page itself."""
        own = ("data:", "blob:", *allowed)
        return [url for url in self.requests if not url.startswith(own)]
