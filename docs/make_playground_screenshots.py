"""Makes the pictures of the playground that the documentation shows.

``python docs/make_playground_screenshots.py [FOLDER]``

Needs the extra ``playground``, playwright, Pillow and a chromium on the PATH; it is run by hand
after the page has changed, looked at, and its pictures are committed: ``playground-light.png`` and
``playground-dark.png``, the spirals after 900 steps. Each is smaller than 200 kB.
"""

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

MOST_BYTES = 200_000
STEPS = 900


def smaller(png):
    """The picture with as many colours as keep it small."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        found = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
        if found.tell() < MOST_BYTES:
            return found.getvalue()
    raise SystemExit(f"{found.tell():,} bytes with 32 colours; expected below {MOST_BYTES:,}")


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
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "_static"
    command = [sys.executable, "-m", "deltarule", "playground", "--no-open", "--quiet"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        trained(page, server.stdout.readline().strip())
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(1000)
            place = folder / f"playground-{scheme}.png"
            place.write_bytes(smaller(page.screenshot()))
            print(f"{place}: {place.stat().st_size:,} bytes")
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()
