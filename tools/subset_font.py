"""Make the maths font that is embedded in the explain page.

A bare machine has no font with a MATH table, and without one fractions, radicals and tall
brackets are drawn badly or not at all. This takes the glyphs the page needs out of Latin Modern
Math, whose licence asks that a changed font has another name: it becomes "DR Math".

    pip install fonttools brotli           # in an environment of its own
    apt install fonts-lmodern              # or the font from CTAN, lm-math
    python tools/subset_font.py /usr/share/texmf/fonts/opentype/public/lm-math/latinmodern-math.otf

Neither package is needed by deltarule or by its tests.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

NAME = "DR Math"
TARGET = Path(__file__).parents[1] / "src/deltarule/explain/page/assets/dr-math.woff2"


def letters():
    """Every character the page may set as mathematics."""
    ranges = [
        (0x20, 0x7E),  # Latin letters, digits, ASCII operators
        (0x391, 0x3A9), (0x3B1, 0x3C9),  # Greek
        (0x1D434, 0x1D467),  # italic Latin, which <mi> turns its letter into
        (0x1D6E2, 0x1D71B),  # italic Greek
    ]  # fmt: skip
    found = {code for first, last in ranges for code in range(first, last + 1)}
    signs = "ℎ∂∇∑∏√∞∈≈≠≤≥±×÷·⋅−′″‴…⋯⊙⊤←→↦⟵⟶⌊⌋⌈⌉⟨⟩‖|∥ϵϕϑϱ\u2061\u2062\u2063\u2064\u202f\u00a0°"
    return found | {ord(sign) for sign in signs}


def main(source):
    """Subset ``source``, rename it and write it as WOFF2."""
    options = subset.Options()
    options.flavor = "woff2"
    options.layout_features = ["ssty", "kern"]  # ssty: shapes for indices
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.notdef_outline = True
    options.hinting = False
    options.desubroutinize = False
    font = TTFont(source)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=letters())
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 3, 4, 6):
            record.string = NAME.replace(" ", "") if record.nameID == 6 else NAME
    cff = font["CFF "].cff
    cff.fontNames = [NAME.replace(" ", "")]
    cff.topDictIndex[0].FamilyName = cff.topDictIndex[0].FullName = NAME
    subset.save_font(font, str(TARGET), options)
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes, {len(font.getGlyphOrder())} glyphs")


if __name__ == "__main__":
    main(*sys.argv[1:])
