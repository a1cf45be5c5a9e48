"""The store of encoded rows: what is written is read, whatever is killed or damaged between."""

import json

import numpy as np
import pytest

from deltarule.errors import FileError, InputError, ModelFileError
from deltarule.tables import PackedRows, StoreWriter, open_store
from deltarule.tables.packed_windows import read_windows

PARTS = ("train", "valid")


def chunk(number, n=20, weighted=True):
    """One chunk of rows, which are a function of its number."""
    rng = np.random.default_rng(number)
    n += number % 3
    X, Y = rng.normal(size=(n, 3)).astype(np.float32), rng.normal(size=(n, 2)).astype(np.float32)
    w = rng.uniform(0.5, 2, n).astype(np.float32) if weighted else None
    cut = 4 + number % 2
    some = slice(0, cut), slice(cut, n)
    return {
        name: (X[part], Y[part], None if w is None else w[part])
        for name, part in zip(("valid", "train"), some, strict=True)
    }


def write(folder, n_chunks=5, digest="d", weighted=True, finish=True):
    with StoreWriter(folder, digest, 3, 2, weighted=weighted, parts=PARTS) as writer:
        for number in range(writer.chunks, n_chunks):
            writer.append(chunk(number, weighted=weighted))
        if finish:
            writer.finish()
        return writer.chunks


def content(rows):
    """X, Y and weights of all rows of a part."""
    found = []
    for index, block in enumerate(rows.blocks):
        X = np.full((block.rows, rows.n_inputs), np.nan, np.float32)
        Y = np.full((block.rows, rows.n_outputs), np.nan, np.float32)
        w = np.full(block.rows, np.nan, np.float32)
        rows.read_block(index, X, Y, w)
        found.append((X, Y, w))
    return [np.concatenate(each) for each in zip(*found, strict=True)]


def expected(name, n_chunks=5, weighted=True):
    parts = [chunk(number, weighted=weighted)[name] for number in range(n_chunks)]
    return [
        np.concatenate([np.ones(len(p[0]), np.float32) if p[k] is None else p[k] for p in parts])
        for k in range(3)
    ]


@pytest.mark.parametrize("weighted", [True, False])
def test_rows_are_read_as_they_were_written(tmp_path, weighted):
    write(tmp_path / "s", weighted=weighted)
    store = open_store(tmp_path / "s")
    assert tuple(store) == PARTS
    for name, rows in store.items():
        wanted = expected(name, weighted=weighted)
        for got, want in zip(content(rows), wanted, strict=True):
            np.testing.assert_array_equal(got, want)
        assert len(rows) == len(wanted[0])
        assert rows.total_weight == pytest.approx(wanted[2].sum(), rel=1e-6)
        assert rows.starts[-1] == rows.n_rows


@pytest.mark.parametrize("lost", [0, 1, 7, 300])
def test_a_writer_that_was_killed_goes_on_after_the_last_whole_chunk(tmp_path, lost):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    write(whole)
    write(cut, 3, finish=False)
    with pytest.raises(ModelFileError, match="not all"):
        open_store(cut)
    # A block was written beyond the last line of the progress, or that line is torn.
    progress = cut / "progress.jsonl"
    text = progress.read_bytes()
    progress.write_bytes(text[: len(text) - lost])
    with (cut / "train.rows").open("ab") as file:
        file.write(b"torn")
    assert write(cut) == 5
    for name in ("store.json", "progress.jsonl", "train.rows", "valid.rows"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_blocks_that_did_not_reach_the_disk_are_written_again(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    write(whole)
    write(cut, 4, finish=False)
    data = bytearray((cut / "train.rows").read_bytes())
    data[len(data) // 2] ^= 1
    (cut / "train.rows").write_bytes(data)
    with StoreWriter(cut, "d", 3, 2, weighted=True, parts=PARTS) as writer:
        assert 0 < writer.chunks < 4
    write(cut)
    assert (cut / "train.rows").read_bytes() == (whole / "train.rows").read_bytes()
    assert open_store(cut)["train"].digest == open_store(whole)["train"].digest


def test_a_store_of_the_same_digest_is_kept_and_another_replaced(tmp_path):
    write(tmp_path / "s")
    with StoreWriter(tmp_path / "s", "d", 3, 2, weighted=True, parts=PARTS) as writer:
        assert writer.is_complete
        assert writer.chunks == 5
    for other in ({"digest": "e"}, {"weighted": False}):
        options = {"digest": "d", "weighted": True} | other
        with StoreWriter(
            tmp_path / "s", options["digest"], 3, 2, weighted=options["weighted"], parts=PARTS
        ) as writer:
            assert not writer.is_complete
            assert writer.chunks == 0
        write(tmp_path / "s")


def test_a_damaged_block_is_refused(tmp_path):
    write(tmp_path / "s")
    path = tmp_path / "s" / "train.rows"
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)
    rows = open_store(tmp_path / "s")["train"]
    with pytest.raises(ModelFileError, match=r"block 4 of .* is damaged: its checksum is another"):
        content(rows)
    path.write_bytes(data[:-8])
    with pytest.raises(ModelFileError, match="it ends too early"):
        content(rows)


def test_what_does_not_fit_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(FileError, match=r"holds 'mine\.txt' and no packed rows"):
        write(tmp_path / "full")
    with pytest.raises(ModelFileError, match="holds no packed rows"):
        open_store(tmp_path / "full")
    with StoreWriter(tmp_path / "s", "d", 3, 1) as writer:
        X, Y = np.ones((2, 3), np.float32), np.ones((2, 1), np.float32)
        for bad in ((X[:, :2], Y, None), (X, Y[:1], None), (X, Y, np.ones(2))):
            with pytest.raises(InputError, match="expected"):
                writer.append({"train": bad})
        with pytest.raises(FileError, match="used by another process"):
            write(tmp_path / "s", digest="d")
    # A folder whose header is no document of ours is no store.
    (tmp_path / "s" / "store.json").write_text(json.dumps([1]))
    with pytest.raises(ModelFileError, match="holds no packed rows"):
        open_store(tmp_path / "s")


@pytest.mark.parametrize("first", [0, 1, 3])
def test_windows_have_the_rows_of_their_blocks_in_order(tmp_path, first):
    write(tmp_path / "s")
    rows = open_store(tmp_path / "s")["train"]
    X, _, w = content(rows)
    groups = [[3, 0], [1], [4, 2], [0]]
    found = []
    for window in read_windows(rows, groups, 5, lambda group, count: (group, count), first):
        numbers = window.numbers[5 : 5 + window.count]
        np.testing.assert_array_equal(window.X[5 : 5 + window.count], X[numbers])
        np.testing.assert_array_equal(window.w[5 : 5 + window.count], w[numbers])
        found.append((window.order, numbers.tolist()))
    starts = rows.starts.tolist()
    for index, (order, numbers) in enumerate(found, start=first):
        wanted = [row for b in groups[index] for row in range(starts[b], starts[b + 1])]
        assert order == (index, len(wanted))
        assert numbers == wanted
    assert len(found) == 4 - first


def test_an_error_of_the_reading_thread_is_raised_where_windows_are_used(tmp_path):
    write(tmp_path / "s")
    rows = open_store(tmp_path / "s")["train"]
    rows.path.write_bytes(rows.path.read_bytes()[:-4])
    with pytest.raises(ModelFileError, match="ends too early"):
        list(read_windows(rows, [[0], [1], [4]], 0, lambda group, count: None))
    # A reader that is not used to its end leaves no thread that waits.
    windows = read_windows(rows, [[0], [1], [2]], 0, lambda group, count: None)
    next(windows)
    windows.close()


def test_rows_say_what_they_are(tmp_path):
    write(tmp_path / "s")
    rows = open_store(tmp_path / "s")["valid"]
    assert isinstance(rows, PackedRows)
    assert repr(rows) == "PackedRows(22 rows of 3 inputs and 2 targets)"
