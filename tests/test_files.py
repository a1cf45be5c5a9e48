"""Files and bundles: whole or not at all, checked, and never a pickle."""

import hashlib
import json
import os
import pickle
import stat
from pathlib import Path

import numpy as np
import pytest

from deltarule import files
from deltarule.errors import FileError, InputError
from deltarule.files import (
    read_bundle,
    read_json,
    write_bundle,
    write_bytes,
    write_json,
)

KIND, VERSION = "test bundle", 2
ARRAYS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "scalar": np.array(7, dtype=np.int64),
    "empty": np.zeros((0, 3)),
    "yes": np.array([True, False]),
}
DOCUMENTS = {"a.json": {"x": 0.1 + 0.2, "y": [1, None, "ä"]}, "b.json": []}


def write(folder, value=0, **options):
    write_bundle(folder, KIND, VERSION, {"a.json": value}, {"x": np.zeros(2)}, **options)


def read(folder):
    return read_bundle(folder, KIND, VERSION)


def contents(folder):
    """Every file below a folder, with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# -- single files -------------------------------------------------------------------------


def test_bytes_are_written_and_replaced(tmp_path):
    path = tmp_path / "f"
    write_bytes(path, b"one")
    write_bytes(str(path), b"two")
    assert contents(tmp_path) == {"f": b"two"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_exception_in_the_middle_leaves_the_old_content_and_nothing_else(
    tmp_path, monkeypatch, call, error
):
    def fail(*arguments, **options):
        raise error

    path = tmp_path / "f"
    write_bytes(path, b"old")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(FileError if isinstance(error, OSError) else KeyboardInterrupt) as found:
        write_bytes(path, b"new")
    if isinstance(error, OSError):
        assert str(found.value) == f"cannot write {str(path)!r}: No space left on device"
    assert contents(tmp_path) == {"f": b"old"}


def test_permissions_are_the_usual_ones(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "f", b"")
        write(tmp_path / "b")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "f", tmp_path / "b")]
    assert modes == [0o640, 0o750]


@pytest.mark.parametrize(
    ("place", "message"),
    [("missing/f", "No such file or directory"), ("file/f", "Not a directory"), ("folder", "")],
)
def test_where_nothing_can_be_written(tmp_path, place, message):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(FileError, match=f"cannot write .*{message}"):
        write_bytes(tmp_path / place, b"x")
    with pytest.raises(OSError, match="cannot write"):
        write_bytes(tmp_path / place, b"x")


@pytest.mark.parametrize("value", [0.1 + 0.2, {"a": [1, 2.5, None, True, "ä€\n"]}, [], 1e-300])
def test_json_comes_back(tmp_path, value):
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == value
    assert (tmp_path / "v.json").read_text(encoding="utf-8").endswith("\n")


def test_numpy_s_numbers_become_numbers(tmp_path):
    write_json(tmp_path / "v.json", {"n": np.int32(1), "a": np.array([0.5, 1.5])})
    assert read_json(tmp_path / "v.json") == {"n": 1, "a": [0.5, 1.5]}


@pytest.mark.parametrize("value", [{1, 2}, object(), {(1, 2): 3}, b"bytes"])
def test_what_is_no_json_is_refused_and_nothing_written(tmp_path, value):
    write_json(tmp_path / "v.json", "old")
    with pytest.raises(InputError, match=r"cannot write 'v.json': .*; expected dictionaries"):
        write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == "old"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"{'a': 1}", b"1 2"])
def test_what_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "v.json").write_bytes(content)
    with pytest.raises(FileError, match=r"v\.json' is not valid JSON"):
        read_json(tmp_path / "v.json")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match=r"cannot read .*No such file"):
        read_json(tmp_path / "v.json")


# -- bundles ------------------------------------------------------------------------------


def test_a_bundle_comes_back(tmp_path):
    folder = tmp_path / "deep" / "down" / "b"
    write_bundle(folder, KIND, VERSION, DOCUMENTS, ARRAYS)
    documents, arrays = read(folder)
    assert documents == DOCUMENTS
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert np.array_equal(arrays[name], array)


def test_an_earlier_version_is_read(tmp_path):
    write_bundle(tmp_path / "b", KIND, VERSION - 1, {}, {})
    assert read(tmp_path / "b") == ({}, {})


def test_no_file_is_a_pickle_and_none_is_unpickled(tmp_path, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("unpickled")

    write_bundle(tmp_path / "b", KIND, VERSION, DOCUMENTS, ARRAYS)
    monkeypatch.setattr(pickle, "loads", never)
    monkeypatch.setattr(pickle, "load", never)
    read(tmp_path / "b")
    for content in contents(tmp_path / "b").values():
        with pytest.raises(pickle.UnpicklingError):
            pickle.Unpickler(__import__("io").BytesIO(content)).load()
    with pytest.raises(Exception, match="object"):
        write_bundle(tmp_path / "o", KIND, VERSION, {}, {"x": np.array([object()])})


@pytest.mark.parametrize("name", ["a.json", "b.json", "arrays.safetensors"])
@pytest.mark.parametrize("how", ["cut short", "edited", "emptied"])
def test_a_file_that_was_changed_is_noticed_and_named(tmp_path, name, how):
    write_bundle(tmp_path / "b", KIND, VERSION, DOCUMENTS, ARRAYS)
    path = tmp_path / "b" / name
    data = path.read_bytes()
    changed = {"cut short": data[:-1], "edited": data[:-2] + b"7" + data[-1:], "emptied": b""}
    path.write_bytes(changed[how])
    with pytest.raises(FileError, match=f"{name}' is not what was written .*checksum"):
        read(tmp_path / "b")


def test_a_file_that_is_missing_is_named(tmp_path):
    write(tmp_path / "b")
    (tmp_path / "b" / "a.json").unlink()
    with pytest.raises(FileError, match=r"cannot read .*a\.json.*No such file"):
        read(tmp_path / "b")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"format": "another", "version": 1, "sha256": {}}, "holds a 'another'; expected a test"),
        ({"version": 1, "sha256": {}}, "holds a None; expected a test bundle"),
        ([1, 2], r"holds a \[1, 2\]"),
        ({"format": KIND, "version": 3, "sha256": {}}, "later version .*format 3, .*up to 2"),
        ({"format": KIND, "sha256": {}}, "lacks the version or the checksums"),
        ({"format": KIND, "version": "1", "sha256": {}}, "lacks the version"),
        ({"format": KIND, "version": 1}, "lacks the version or the checksums"),
        ({"format": KIND, "version": 1, "sha256": ["a"]}, "lacks the version or the checksums"),
    ],
)
def test_a_manifest_that_does_not_fit(tmp_path, manifest, message):
    write(tmp_path / "b")
    (tmp_path / "b" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FileError, match=message):
        read(tmp_path / "b")


def test_a_manifest_names_files_of_its_own_folder_only(tmp_path):
    write(tmp_path / "b")
    (tmp_path / "secret.json").write_text("1")
    manifest = read_json(tmp_path / "b" / "manifest.json")
    manifest["sha256"]["../secret.json"] = "0"
    write_json(tmp_path / "b" / "manifest.json", manifest)
    with pytest.raises(FileError, match=r"b/secret\.json"):
        read(tmp_path / "b")


@pytest.mark.parametrize("name", ["arrays.safetensors", "a.json"])
def test_a_file_with_the_right_checksum_and_the_wrong_content(tmp_path, name):
    write(tmp_path / "b")
    (tmp_path / "b" / name).write_bytes(b"not this")
    manifest = read_json(tmp_path / "b" / "manifest.json")
    manifest["sha256"][name] = hashlib.sha256(b"not this").hexdigest()
    write_json(tmp_path / "b" / "manifest.json", manifest)
    with pytest.raises(FileError, match=f"{name}' is not valid"):
        read(tmp_path / "b")


def test_places_without_a_bundle(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("nowhere", "is not a folder that exists; expected a folder with a test bundle"),
        ("file", "is not a folder; expected"),
        ("empty", "has no manifest.json; expected"),
    ):
        with pytest.raises(FileError, match=message):
            read(tmp_path / name)


# -- what is there already ----------------------------------------------------------------


def test_a_bundle_is_replaced_only_where_it_is_allowed(tmp_path):
    write(tmp_path / "b", 1)
    with pytest.raises(FileError, match="exists already; choose another name, or allow"):
        write(tmp_path / "b", 2)
    assert read(tmp_path / "b")[0] == {"a.json": 1}
    write(tmp_path / "b", 2, overwrite=True)
    assert read(tmp_path / "b")[0] == {"a.json": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_files_of_the_old_bundle_go_and_files_of_others_stay(tmp_path):
    folder = tmp_path / "b"
    write_bundle(folder, KIND, VERSION, {"a.json": 1, "old.json": 1}, {})
    (folder / "loss.svg").write_text("<svg/>")
    (folder / "notes").mkdir()
    (folder / "notes" / "n.txt").write_text("mine")
    write(folder, 2, overwrite=True)
    assert read(folder)[0] == {"a.json": 2}
    assert sorted(contents(folder)) == [
        "a.json",
        "arrays.safetensors",
        "loss.svg",
        "manifest.json",
        "notes/n.txt",
    ]


def foreign(path, what):
    """Something that is no bundle of this kind."""
    if what == "a file":
        path.write_text("mine")
        return
    path.mkdir()
    (path / "data.txt").write_text("mine")
    manifests = {
        "a folder with a web page's manifest": {"name": "My page"},
        "a bundle of another kind": {"format": "another", "version": 1, "sha256": {}},
    }
    if what in manifests:
        (path / "manifest.json").write_text(json.dumps(manifests[what]))
    elif what == "a folder with a broken manifest":
        (path / "manifest.json").write_text("{")


@pytest.mark.parametrize(
    "what",
    [
        "a file",
        "a folder",
        "a folder with a web page's manifest",
        "a folder with a broken manifest",
        "a bundle of another kind",
    ],
)
def test_what_is_no_bundle_is_never_replaced(tmp_path, what):
    foreign(tmp_path / "b", what)
    before = contents(tmp_path)
    with pytest.raises(FileError, match="is not a folder with a test bundle; it is left untouched"):
        write(tmp_path / "b", overwrite=True)
    assert contents(tmp_path) == before


def test_an_empty_folder_may_be_used_where_replacing_is_allowed(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(FileError, match="exists already"):
        write(tmp_path / "b")
    write(tmp_path / "b", 1, overwrite=True)
    assert read(tmp_path / "b")[0] == {"a.json": 1}


def test_a_folder_whose_parent_is_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match=r"cannot write .*file/b"):
        write(tmp_path / "file" / "b")


# -- in the middle ------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for a process that ends between two lines."""


def killing(monkeypatch, owner, name, call):
    """Let the call with this number, counted from 1, fail."""
    original, calls = getattr(owner, name), []

    def counted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == call:
            raise Killed
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, counted)


@pytest.mark.parametrize(("name", "call"), [("_write_new", n) for n in (1, 2, 3)])
@pytest.mark.parametrize("there", [False, True])
def test_an_exception_while_files_are_written_leaves_what_was_there(
    tmp_path, monkeypatch, name, call, there
):
    if there:
        write(tmp_path / "b", 1)
    before = contents(tmp_path)
    killing(monkeypatch, files.bundles, name, call)
    with pytest.raises(Killed):
        write(tmp_path / "b", 2, overwrite=True)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["b"] if there else [])


