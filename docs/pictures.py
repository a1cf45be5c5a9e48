"""What the scripts that take the documentation's pictures share."""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image

MOST_BYTES = 172_000


def folder():
    """Where the pictures go: what the command names, or the documentation's own."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "_static"


def launched(playwright):
    """The browser."""
    return playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )


def keep(png, place):
    """Write a picture with as many colours as keep it small."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (192, 128, 64, 32):
        found = io.BytesIO()
        picture.quantize(colours, kmeans=2, dither=Image.Dither.NONE).save(
            found, "PNG", optimize=True
        )
        if found.tell() < MOST_BYTES:
            place.write_bytes(found.getvalue())
            print(f"{place}: {place.stat().st_size:,} bytes")
            return
    raise SystemExit(f"{found.tell():,} bytes with 32 colours; expected below {MOST_BYTES:,}")
