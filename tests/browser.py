"""A real browser for tests of pages: Debian's Chromium, driven by Playwright, with no network.

Its headless shell is preferred where there is one: the same engine without the windows, menus and
extensions round it, with which a page opens in two thirds of the processor time.
"""

import atexit
import contextlib
import functools
import os
import shutil

import pytest

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
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
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        if os.environ.get("DELTARULE_REQUIRE_BROWSER"):
            pytest.fail("DELTARULE_REQUIRE_BROWSER is set and there is no chromium on the PATH")
        pytest.skip("there is no chromium on the PATH; pages are tested in a real one")
    return found


# The tabs of each context that a test has left, since a new one costs as much as the page in it,
# and those that are in use.
_free_tabs, _used_tabs = {}, {}

# A tab is as new with these.
PLAIN = {"media": "null", "color_scheme": "null", "reduced_motion": "null", "forced_colors": "null"}


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
    _free_tabs[context], _used_tabs[context] = [], []
    try:
        yield context
    finally:
        del _free_tabs[context], _used_tabs[context]
        context.close()


@contextlib.contextmanager
def leaving(context):
    """A context; tabs that are opened in it meanwhile are left at the end, for the next test."""
    before = list(_used_tabs[context])
    yield context
    for each in list(_used_tabs[context]):
        if each not in before:
            each.close()


# The rules of axe whose answer depends on the colours that a scheme gives the same elements.
OF_COLOURS = ("color-contrast", "link-in-text-block")


def violations(page, part=None, rules=None):
    """What axe objects to in a page or a part of it, with the elements; by all rules or some."""
    from axe_playwright_python.sync_playwright import Axe

    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)  # half a megabyte: once for a page
    options = {"resultTypes": ["violations"]}
    if rules is not None:
        options["runOnly"] = list(rules)
    found = page.evaluate(
        "([part, options]) => axe.run(part ?? document, options).then((found) => found.violations)",
        [part, options],
    )
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def violations_in_both_schemes(page, part=None):
    """The same in light and in dark colours: of the dark ones, all that depends on colours.

    Without motion, since a colour that is on its way to another has any contrast.
    """
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found = violations(page, part, OF_COLOURS)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    return [*found, *violations(page, part)]


class Watched:
    """A page in a tab, new or left by another, whose errors and requests are written down."""

    def __init__(self, context, **options):
        self._free = _free_tabs.get(context, [])
        self._used = _used_tabs.get(context, [])
        self._used.append(self)
        self.page = self._free.pop() if self._free else context.new_page()
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

    def close(self):
        """Leave the page, unless it has been left; its tab is for the next one of this context."""
        if self not in self._used:
            return
        self._used.remove(self)
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        if self.page.is_closed():
            return
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.page.goto("about:blank")
        self.page.emulate_media(**PLAIN)
        self.page.mouse.move(0, 0)
        self._free.append(self.page)

    def outside(self, *allowed):
        """Requests to anywhere but what is named and data in the page itself."""
        own = ("data:", "blob:", *allowed)
        return [url for url in self.requests if not url.startswith(own)]


def frames(page, count=4):
    """Wait for so many frames of the browser: observers of sizes, and what they ask to be drawn."""
    page.evaluate(
        """async (count) => {
          for (; count > 0; --count) await new Promise((done) => requestAnimationFrame(done));
        }""",
        count,
    )


def settled(page):
    """Wait until the page has not scrolled for half a second; return where it stands."""
    seen = []
    while len(seen) < 6 or len(set(seen[-6:])) > 1:
        page.wait_for_timeout(100)
        seen.append(page.evaluate("scrollY"))
    return seen[-1]
