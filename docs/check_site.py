"""Check the built documentation: every internal link leads somewhere, every picture has a text.

``python docs/check_site.py docs/_build/html`` prints what is wrong, and fails if anything is. The
pages of the library itself (playground.html, example.html) make their content by script, and are
checked by the tests.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIVE = {"playground.html", "example.html"}


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
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = target not in pages or target.name in LIVE or target.name == "search.html"
            missing = (
                parts.fragment and not known and unquote(parts.fragment) not in pages[target].names
            )
            if not target.exists() or missing:
                wrong.append(f"{path.relative_to(root)}: the link {link} leads nowhere")
    print("\n".join(sorted(set(wrong))) or f"{len(pages)} pages: all links and texts are there")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
