"""Check the built documentation: every internal link leads somewhere, every picture has a text.

``python docs/check_site.py docs/_build/html`` prints what is wrong, and fails if anything is. The
pages of the library itself (playground.html, example.html) make their content by script. Where the
extra ``test`` and Chromium are there, axe looks for what keeps people out, in these two and in the
articles that they stand in; with DELTARULE_REQUIRE_BROWSER=1 it fails where they are not.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIVE = {"playground.html", "example.html"}
# What axe looks at, and in which part: the frame around an article is the theme's.
SEEN = {
    "index.html": "article",
    "gallery.html": "article",
    "by_hand.html": "article",
    "example.html": "body",
    "example.html#tour-4": "body",
    "playground.html": "body",
}
# The first is the same engine without its windows, and takes less time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Page(HTMLParser):
    """The links, names and pictures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take a tag into account."""
        given = dict(attributes)
        self.names |= {value for key in ("id", "name") if (value := given.get(key))}
        for key in ("href", "src"):
            if value := given.get(key):
                self.links.append(value)
        if tag == "img" and "alt" not in given:
            self.wrong.append(f"the picture {given.get('src')} has no text (alt)")
        if tag == "iframe" and not given.get("title"):
            self.wrong.append(f"the frame {given.get('src')} has no title")


def objections(root: Path) -> list[str]:
    """What axe objects to in the pages of SEEN, in light and in dark colours."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None or importlib.util.find_spec("axe_playwright_python") is None:
        missing = "axe has not looked: the extra test or Chromium is missing"
        if os.environ.get("DELTARULE_REQUIRE_BROWSER"):
            return [missing]
        print(missing)
        return []
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, headless=True)
        page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        page.set_default_timeout(300_000)  # a build may have a small part of a core
        for name, part in SEEN.items():
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.goto(
                    "about:blank"
                )  # or an address that differs in its "#" would not be read again
                page.goto(f"{root.as_uri()}/{name}")
                page.wait_for_selector("svg.network [data-node]" if part == "body" else part)
                answer = Axe().run(page, context=part, options={"iframes": False}).response
                found += [
                    f"{name}, {scheme}: {each['help']}: {each['nodes'][0]['html'][:200]}"
                    for each in answer["violations"]
                ]
        browser.close()
    return found


@functools.cache
def target_of(folder: Path, link: str) -> Path:
    """The file that a link from a page in a folder leads to; the pages share most of theirs."""
    target = (folder / unquote(link)).resolve()
    return target / "index.html" if target.is_dir() else target


@functools.cache
def is_there(path: Path) -> bool:
    """Whether a file exists."""
    return path.exists()


def main() -> None:
    """Check all pages of a folder."""
    root = Path(sys.argv[1]).resolve()
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in root.rglob("*.html")
        if "_static" not in path.parts
    }
    wrong = [
        f"{path.relative_to(root)}: {each}" for path, page in pages.items() for each in page.wrong
    ]
    for path, page in pages.items():
        if path.name in LIVE:
            continue
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = target_of(path.parent, parts.path) if parts.path else path
            known = target not in pages or target.name in LIVE or target.name == "search.html"
            missing = (
                parts.fragment and not known and unquote(parts.fragment) not in pages[target].names
            )
            if missing or not is_there(target):
                wrong.append(f"{path.relative_to(root)}: the link {link} leads nowhere")
    wrong += objections(root)
    print("\n".join(sorted(set(wrong))) or f"{len(pages)} pages: all links and texts are there")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
