"""Notes on a table that is read in chunks."""

from deltarule.tables.chunk_notes import ChunkNotes

UNSEEN = "column {!r}: {} cells hold levels that training did not see: {}"


def test_a_column_has_one_note_however_many_chunks_and_levels_there_are():
    notes = ChunkNotes()
    for k in range(50):
        levels = ", ".join(repr(f"it's {k} {j}") for j in range(1 + k % 3))
        notes.add([UNSEEN.format("shop", f"{2 + k * 100:,}", levels + " and 9 more" * (k % 2))])
        notes.add([UNSEEN.format("town", 2, "'a'"), "rows left out: 3"])
    town = f"{UNSEEN.format('town', 2, repr('a'))} (in one part of the table; such are in "
    assert notes.texts() == [
        UNSEEN.format("shop", 2, repr("it's 0 0"))
        + " (in one part of the table; such are in 49 further parts)",
        f"{town}49 further parts)",
        "rows left out: 3 (in one part of the table; such are in 49 further parts)",
    ]


def test_notes_of_other_kinds_and_columns_stay():
    notes = ChunkNotes()
    notes.add(["column 'a1': 2 cells", "column 'a2': 2 cells", "column 'a1': 2 rows"])
    assert notes.texts() == ["column 'a1': 2 cells", "column 'a2': 2 cells", "column 'a1': 2 rows"]
