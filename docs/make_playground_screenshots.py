"""Makes the pictures of the playground that the documentation shows.

``python docs/make_playground_screenshots.py [FOLDER]``

Needs the extra ``playground``, playwright, Pillow and a chromium on the PATH; it is run by hand
after the page has changed, looked at, and its pictures are committed: ``playground-light.png`` and
``playground-dark.png``, the spirals after 900 steps. Each is smaller than 172 kB.
"""

import subprocess
import sys

from pictures import folder, keep, launched
from playwright.sync_api import sync_playwright

STEPS = 900


def trained(page, address):
    """The spirals, played for so many steps."""
    page.goto(address)
    page.wait_for_selector("[data-node]")
    page.get_by_role("button", name="Play", exact=True).click()
    while int(page.evaluate("document.body.dataset.step")) < STEPS:
        page.wait_for_timeout(50)
    page.get_by_role("button", name="Pause", exact=True).click()


def main():
    """Take both."""
    command = [sys.executable, "-m", "deltarule", "playground", "--no-open", "--quiet"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        browser = launched(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        trained(page, server.stdout.readline().strip())
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(1000)
            keep(page.screenshot(), folder() / f"playground-{scheme}.png")
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()
