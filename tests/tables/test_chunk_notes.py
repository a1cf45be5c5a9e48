"""Notes on a table that is read in chunks."""

import copy
import pickle

import numpy as np
import pytest

from deltarule.errors import Parameter
from deltarule.tables import Schema, Table, TextColumn, apply_schema
from deltarule.tables.beyond_training import beyond_training
from deltarule.tables.chunk_notes import ChunkNotes
from deltarule.tables.notes import Note
from deltarule.tables.schema import Column
from deltarule.tables.table_encoder import TableEncoder


def unseen(column, levels):
    shown = ", ".join(map(repr, levels))
    return Note(("unseen level", column), f"column {column!r}: {len(levels)} cells: {shown}")


def test_a_column_has_one_note_however_many_chunks_and_levels_there_are():
    notes = ChunkNotes()
    for k in range(50):
        notes.add([unseen("shop", [f"it's {k} {j}" for j in range(1 + k % 3)])])
        notes.add([unseen("town", ["a"]), "rows left out: 3"])
    more = " (in one part of the table; such are in 49 further parts)"
    assert notes.texts() == [
        str(unseen("shop", ["it's 0 0"])) + more,
        f"{unseen('town', ['a'])}{more}",
        f"rows left out: 3{more}",
    ]


def test_notes_of_other_kinds_and_columns_stay_whatever_their_texts_have_in_common():
    notes = ChunkNotes()
    same = "column 'a': 2 cells"
    found = [Note(("x", "a"), same), Note(("y", "a"), same), Note(("x", "b"), same), "2 rows"]
    notes.add(found)
    notes.add(["3 rows"])
    assert notes.texts() == [same, same, same, "2 rows", "3 rows"]
    # Two encoders that say the same of a chunk are one part of the table.
    twice = ChunkNotes()
    twice.add([unseen("k", ["a"]), unseen("k", ["a", "b"])])
    assert twice.texts() == [str(unseen("k", ["a"]))]


def test_a_note_is_spelled_only_when_it_is_shown_and_can_be_sent_to_another_process():
    note = Note(("scale", "k"), "say it with ", Parameter("na", keyword=True))
    notes = ChunkNotes()
    notes.add([note])
    assert notes.texts() == ["say it with na="]
    assert notes.texts(lambda text: text.render(lambda given: f"--{given.name}")) == [
        "say it with --na"
    ]
    for again in (pickle.loads(pickle.dumps(note)), copy.deepcopy(note)):
        assert (again, again.kind, again.parts) == (note, note.kind, note.parts)


@pytest.mark.parametrize("first", [0, 1000])
def test_every_note_on_rows_has_its_kind(first):
    """So that the chunks of a long table say it once."""
    schema = Schema(
        (
            Column("far", "number", minimum=0.0, maximum=1.0),
            Column("scale", "number", minimum=0.0, maximum=1.0, low=-5.0, high=5.0),
            Column("bad", "number", minimum=0.0, maximum=1.0, mixed=True),
            Column("k", "category"),
        ),
        target=Column("y", "number", low=-5.0, high=5.0),
    )
    n = 6 + first // 500
    columns = {
        "far": np.full(n, 50.0 + first),
        "scale": np.array([*[0.5] * (n - 1), 99.0 + first]),
        "bad": TextColumn.from_cells([*["1.5"] * (n - 1), f"oops {first}"]),
        "k": TextColumn.from_cells([f"new {first}"] * n),
        "y": np.array([np.nan, 99.0 + first, *[1.0] * (n - 2)]),
        f"more {first}": np.zeros(n),
    }
    encoder = TableEncoder(min_rows=1)
    known = {
        "far": np.zeros(2), "scale": np.zeros(2), "bad": np.zeros(2),
        "k": TextColumn.from_cells(["a", "b"]), "y": np.zeros(2),
    }  # fmt: skip
    encoder.fit(apply_schema(schema, Table(tuple(known), known)), schema)
    typed = apply_schema(schema, Table(tuple(columns), columns))
    notes = [*typed.notes, *encoder.notes(typed), *beyond_training(schema, typed)]
    assert sorted(note.kind for note in notes) == [
        ("beyond training", "far"),
        ("out of scale", "scale"),
        ("target missing", "y"),
        ("target out of scale", "y"),
        ("unknown columns",),
        ("unread", "bad"),
        ("unseen level", "k"),
    ]
