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
    Bundle,
    Part,
    check_bundle_path,
    check_file_path,
    read_bundle,
    read_json,
    save_elsewhere,
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
    owner = os if call == "fsync" else Path
    monkeypatch.setattr(owner, call, fail)
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
    del manifest["checksum"]
    write_json(tmp_path / "b" / "manifest.json", manifest)
    with pytest.raises(FileError, match=r"names a file in another place: '\.\./secret\.json'"):
        read(tmp_path / "b")


def test_a_manifest_that_was_changed_is_noticed(tmp_path):
    write(tmp_path / "b")
    path = tmp_path / "b" / "manifest.json"
    path.write_text(path.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(FileError, match=r"manifest\.json' is not what was written"):
        read(tmp_path / "b")
    write(tmp_path / "b", overwrite=True)
    manifest = read_json(path)
    del manifest["checksum"]  # as earlier versions wrote it
    write_json(path, manifest)
    read(tmp_path / "b")


@pytest.mark.parametrize("name", ["arrays.safetensors", "a.json"])
def test_a_file_with_the_right_checksum_and_the_wrong_content(tmp_path, name):
    write(tmp_path / "b")
    (tmp_path / "b" / name).write_bytes(b"not this")
    manifest = read_json(tmp_path / "b" / "manifest.json")
    manifest["sha256"][name] = hashlib.sha256(b"not this").hexdigest()
    del manifest["checksum"]
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


@pytest.mark.parametrize(("name", "call"), [("create_file", n) for n in (1, 2, 3)])
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


# -- where a name leads, and what must not be replaced ------------------------------------------


def test_what_is_written_through_a_link_arrives_where_it_points(tmp_path):
    """The folder behind the link keeps what is not the bundle's; the link stays a link."""
    write(tmp_path / "real", 1)
    (tmp_path / "real" / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(FileError, match="exists already"):
        write(tmp_path / "link", 2)
    write(tmp_path / "link", 2, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real")[0] == {"a.json": 2}
    assert (tmp_path / "real" / "mine.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
    (tmp_path / "file").write_text("old")
    (tmp_path / "to file").symlink_to("file")
    write_bytes(tmp_path / "to file", b"new")
    assert (tmp_path / "to file").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_link_to_what_is_no_bundle_and_one_in_a_circle_are_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "p.jpg").write_bytes(b"jpg")
    (tmp_path / "link").symlink_to("photos")
    (tmp_path / "circle").symlink_to("circle")
    before = contents(tmp_path)
    with pytest.raises(FileError, match=r"link' exists and is not a folder with a test bundle"):
        write(tmp_path / "link", overwrite=True)
    for place in ("circle", "circle/b"):
        with pytest.raises(FileError, match=r"circle|symbolic links"):
            write(tmp_path / place, overwrite=True)
    assert contents(tmp_path) == before


def test_a_device_and_a_pipe_are_written_to_and_stay(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(tmp_path / "pipe", b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    (tmp_path / "nowhere").symlink_to(os.devnull)
    write_bytes(tmp_path / "nowhere", b"x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_permissions_are_kept(tmp_path):
    write_bytes(tmp_path / "f", b"")
    write(tmp_path / "b")
    (tmp_path / "f").chmod(0o600)
    (tmp_path / "b").chmod(0o700)
    write_bytes(tmp_path / "f", b"new")
    write(tmp_path / "b", 1, overwrite=True)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "f", tmp_path / "b")]
    assert modes == [0o600, 0o700]


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    write(tmp_path / "b", 1)
    monkeypatch.chdir(tmp_path / "b")
    for place in (".", tmp_path / "b"):
        with pytest.raises(FileError, match="is the current folder, which cannot be replaced"):
            write(place, 2, overwrite=True)
        with pytest.raises(FileError, match="is the current folder"):
            check_bundle_path(place, KIND, overwrite=True)
    assert read(tmp_path / "b")[0] == {"a.json": 1}


def test_a_name_as_long_as_names_can_be(tmp_path):
    for name in ("n" * 255, "ä" * 127):
        check_bundle_path(tmp_path / name, KIND)
        for value in (1, 2):
            write(tmp_path / name, value, overwrite=True)
        assert read(tmp_path / name)[0] == {"a.json": 2}
        check_file_path(tmp_path / name[:-1])
        write_bytes(tmp_path / name[:-1], b"x")
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("n" * 256, "File name too long"),
        ("a/" + "n" * 256 + "/b", "File name too long"),
        ("/".join(["n" * 250] * 20), "too long"),
        ("\ud800", "a character that no file's name can have"),
        ("a\0b", "null character"),
        ("file/b", "Not a directory|not a folder"),
    ],
)
def test_a_place_where_nothing_can_be_is_refused_beforehand_and_when_writing(
    tmp_path, name, message
):
    (tmp_path / "file").write_text("")
    calls = (
        lambda path: check_bundle_path(path, KIND),
        check_file_path,
        write,
        lambda path: write_bytes(path, b""),
    )
    for call in calls:
        with pytest.raises(FileError, match=f"cannot (write|use) .*({message}|No such file)"):
            call(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir() if path.name != "a"] == ["file"]


def test_checking_a_place_leaves_nothing_there(tmp_path):
    check_bundle_path(tmp_path / "a" / "b" / "c", KIND)
    check_file_path(tmp_path / "a" / "b" / "c.csv")
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "b")
    before = contents(tmp_path)
    check_bundle_path(tmp_path / "b", KIND, overwrite=True)
    with pytest.raises(FileError, match="exists already"):
        check_bundle_path(tmp_path / "b", KIND)
    with pytest.raises(FileError, match="is not a folder with a chest; it is left untouched"):
        check_bundle_path(tmp_path / "b", "chest", overwrite=True)
    with pytest.raises(FileError, match="exists already"):
        check_file_path(tmp_path / "b" / "a.json")
    assert contents(tmp_path) == before


def test_a_file_that_may_not_be_replaced(tmp_path):
    write_bytes(tmp_path / "f", b"1", overwrite=False)
    with pytest.raises(FileError, match="exists already"):
        write_bytes(tmp_path / "f", b"2", overwrite=False)
    assert contents(tmp_path) == {"f": b"1"}


def test_half_a_surrogate_pair_comes_back(tmp_path):
    """As it stands for a byte of a file's name that is no UTF-8."""
    value = {"\udcff": ["t\udcff.csv", "\ud83d", "ä"]}
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == value
    write_bundle(tmp_path / "b", KIND, VERSION, {"a.json": value}, {})
    assert read(tmp_path / "b")[0] == {"a.json": value}


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"x": [{"a": 1, "b": 2, "a": 1}]}'])
def test_a_key_that_is_there_twice_is_refused(tmp_path, text):
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(FileError, match="the key 'a' is there more than once"):
        read_json(tmp_path / "v.json")


def test_a_pipe_in_a_bundle_is_not_waited_for(tmp_path):
    for name in ("a.json", "manifest.json"):
        write(tmp_path / name)
        (tmp_path / name / name).unlink()
        os.mkfifo(tmp_path / name / name)
        with pytest.raises(FileError, match=r"is not a file|has no manifest"):
            read(tmp_path / name)


# -- parts and extras -----------------------------------------------------------------------------

INNER = "inner bundle"


def inner(value):
    return Bundle(INNER, 1, {"i.json": value}, {"y": np.full(2, value)})


def test_a_part_goes_and_comes_with_its_bundle(tmp_path):
    folder = tmp_path / "b"
    write(folder, 1, parts={"part": Part(INNER, inner(1))})
    assert read_bundle(folder / "part", INNER, 1)[0] == {"i.json": 1}
    (folder / "part" / "mine.txt").write_text("mine")
    write(folder, 2, parts={"part": Part(INNER, inner(2))}, overwrite=True)
    assert read_bundle(folder / "part", INNER, 1)[0] == {"i.json": 2}
    assert (folder / "part" / "mine.txt").read_text() == "mine"
    # One that is to stay stays, one that is not goes, and what is not its own stays.
    asked = []
    keep = Part(INNER, None, lambda place: asked.append(place) or True)
    write(folder, 3, parts={"part": keep}, overwrite=True)
    assert read_bundle(folder / "part", INNER, 1)[0] == {"i.json": 2}
    assert asked == [folder / "part"]
    write(folder, 4, parts={"part": Part(INNER, None, lambda place: False)}, overwrite=True)
    assert sorted(contents(folder / "part")) == ["mine.txt"]
    assert read(folder)[0] == {"a.json": 4}


def test_a_part_s_name_with_something_else_there(tmp_path):
    write(tmp_path / "b", 1)
    (tmp_path / "b" / "part").mkdir()
    (tmp_path / "b" / "part" / "mine.txt").write_text("mine")
    write(tmp_path / "b", 2, parts={"part": Part(INNER)}, overwrite=True)
    assert sorted(contents(tmp_path / "b" / "part")) == ["mine.txt"]


def test_files_in_what_an_interrupted_save_left_come_back_and_it_is_said(tmp_path):
    write(tmp_path / "m", 1)
    write(tmp_path / "left", 2)
    (tmp_path / "left" / "mine.txt").write_text("mine")
    (tmp_path / "left").rename(tmp_path / ".m.0123456789ab")
    with pytest.warns(UserWarning, match=r"was interrupted; .* not its own, .*: mine\.txt"):
        write(tmp_path / "m", 3, overwrite=True)
    assert (tmp_path / "m" / "mine.txt").read_text() == "mine"
    assert read(tmp_path / "m")[0] == {"a.json": 3}
    (tmp_path / ".m.deltarule.0123456789ab").write_bytes(b"half")
    write(tmp_path / "m.deltarule")
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_extras_are_replaced_unless_somebody_changed_them(tmp_path):
    folder = tmp_path / "b"
    write(folder, 1, extras={"p.svg": b"1"})
    write(folder, 2, extras={"p.svg": b"2"}, overwrite=True)
    assert (folder / "p.svg").read_bytes() == b"2"
    write(folder, 3, overwrite=True)
    assert not (folder / "p.svg").exists()  # it was of another content
    write(folder, 4, extras={"p.svg": b"4"}, overwrite=True)
    (folder / "p.svg").write_bytes(b"mine")
    write(folder, 5, extras={"p.svg": b"5"}, overwrite=True)
    assert (folder / "p.svg").read_bytes() == b"5"
    assert (folder / "p.svg.kept1").read_bytes() == b"mine"
    (folder / "p.svg").write_bytes(b"mine too")
    write(folder, 6, overwrite=True)
    assert (folder / "p.svg").read_bytes() == b"mine too"


# -- elsewhere ------------------------------------------------------------------------------------


def test_elsewhere_is_beside_or_here_or_among_temporary_files(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    forbidden = []

    def save(path):
        if any(path.is_relative_to(place) for place in forbidden):
            raise FileError("no")
        write(path)

    place = tmp_path / "m.model"
    assert save_elsewhere(place, save) == tmp_path / "m-2.model"
    assert save_elsewhere(place, save) == tmp_path / "m-3.model"
    (tmp_path / "there").mkdir()
    forbidden.append(tmp_path / "there")
    place = tmp_path / "there" / "m.model"
    assert save_elsewhere(place, save) == tmp_path / "here" / "m-2.model"
    forbidden.append(tmp_path / "here")
    found = save_elsewhere(place, save)
    assert found.is_relative_to(tmp_path / "temporary")
    assert read(found)[0] == {"a.json": 0}
    forbidden.append(tmp_path)
    assert save_elsewhere(place, save) is None
