"""Frames per second that the playground paints while digits (64-32-10) train, in Chromium.

    python benchmarks/playground.py [SECONDS]

The server runs in its own process, as for a user, and trains at full speed. A frame counts when
the page has painted the decision surface, the curve and the numbers, and acknowledged it. Needs the
extras ``playground`` and ``test``, and a chromium on the PATH.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
SHOWN = "({frames: Number(document.body.dataset.frames), step: Number(document.body.dataset.step)})"


@contextlib.contextmanager
def playground():
    """Serve a playground; yield its address."""
    command = [sys.executable, "-m", "deltarule", "playground", "--no-open", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@contextlib.contextmanager
def chromium_page(address):
    """Open a page in the Chromium on the PATH."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=path, args=FLAGS, headless=True
        )
        page = context.new_page()
        page.set_viewport_size({"width": 1600, "height": 1000})
        page.goto(address)
        page.wait_for_selector("[data-node]")
        yield page
        context.close()


def measured(page, seconds):
    """(frames, steps) of each second."""
    found = []
    before = page.evaluate(SHOWN)
    for _ in range(seconds):
        page.wait_for_timeout(1000)
        after = page.evaluate(SHOWN)
        found.append((after["frames"] - before["frames"], after["step"] - before["step"]))
        before = after
    return found


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with playground() as address, chromium_page(address) as page:
        page.locator("#data-digits").check()
        page.wait_for_selector("[data-node='2,9']")
        page.locator("#speed").select_option("0")
        page.get_by_role("button", name="Play", exact=True).click()
        measured(page, 2)  # the first seconds compile and lay out
        counts = measured(page, seconds)
        widths = page.evaluate("DR.page.net.widths.join('-')")
    frames, steps = (sorted(each) for each in zip(*counts, strict=True))
    middle = len(frames) // 2
    print(f"digits, {widths}, for {seconds} s, on {os.cpu_count()} cores")
    print(f"frames a second: {frames[middle]} in the median, {frames[0]} at least")
    print(f"steps a second: {steps[middle]} in the median")


if __name__ == "__main__":
    main()
