"""Models that are one file: equal to folders in all that is read, and as safe."""

import dataclasses
import json
import stat
import zipfile

import numpy as np
import pytest
from tests.training.helpers import regression

from deltarule.errors import FileError, ModelFileError
from deltarule.files import Bundle, Part, has_bundle, read_bundle, write_bundle
from deltarule.maths import Network
from deltarule.training import Model, Recorder, load_model, load_recording, save_model, train
from deltarule.training.recording import digest_of_theta

KIND, VERSION = "test bundle", 2


def write(path, value=1, **options):
    write_bundle(path, KIND, VERSION, {"a.json": value}, {"x": np.full(2, value)}, **options)


def read(path):
    return read_bundle(path, KIND, VERSION)


def a_model(value=0.5):
    net = Network([2, 3, 1])
    return Model(net, np.full(net.n_parameters, value))


def test_a_model_comes_back_and_equal_models_are_equal_bytes(tmp_path):
    path, folder = tmp_path / "m.deltarule", tmp_path / "m"
    save_model(path, a_model())
    save_model(folder, a_model())
    save_model(tmp_path / "again.deltarule", a_model())
    assert path.read_bytes() == (tmp_path / "again.deltarule").read_bytes()
    one, other = load_model(path), load_model(folder)
    assert one.net == other.net
    assert np.array_equal(one.theta, other.theta)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert archive.read(name) == (folder / name).read_bytes()


def test_a_recording_is_in_the_file_of_its_model_and_stays_with_it(tmp_path):
    net, X, Y = regression()
    recorder = Recorder()
    result = train(net, X, Y, epochs=2, callbacks=[recorder])
    path = tmp_path / "m.deltarule"
    recording = dataclasses.replace(recorder.recording(), model=digest_of_theta(result.theta))
    save_model(path, Model(net, result.theta), recording=recording)
    assert load_recording(path).end == recording.end
    save_model(path, Model(net, result.theta, extra={"a": 1}), overwrite=True)
    assert load_recording(path).digests == recording.digests
    assert load_model(path).extra == {"a": 1}
    save_model(path, Model(net, result.theta + 1), overwrite=True)
    with pytest.raises(ModelFileError, match="a model whose training was not recorded"):
        load_recording(path)


def test_it_is_replaced_only_where_it_is_allowed(tmp_path):
    path = tmp_path / "b.deltarule"
    write(path)
    path.chmod(0o640)
    with pytest.raises(FileError, match="exists already"):
        write(path, 2)
    write(path, 2, overwrite=True)
    assert read(path)[0] == {"a.json": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["b.deltarule"]
    write_bundle(tmp_path / "other.deltarule", "another", 1, {}, {})
    (tmp_path / "mine.deltarule").write_bytes(b"mine")
    (tmp_path / "empty.deltarule").write_bytes(b"")
    for name in ("other", "mine", "empty"):
        other = tmp_path / f"{name}.deltarule"
        content = other.read_bytes()
        with pytest.raises(FileError, match="it is left untouched"):
            write(other, overwrite=True)
        assert other.read_bytes() == content


def test_a_folder_and_a_file_do_not_replace_each_other(tmp_path):
    write(tmp_path / "b.deltarule")
    (tmp_path / "b.deltarule").rename(tmp_path / "f")
    write(tmp_path / "d")
    (tmp_path / "d").rename(tmp_path / "d.deltarule")
    # What it is decides how it is read, and not its name.
    assert read(tmp_path / "f")[0] == read(tmp_path / "d.deltarule")[0]
    with pytest.raises(FileError, match="it is left untouched"):
        write(tmp_path / "f", overwrite=True)
    with pytest.raises(FileError, match="is a folder; expected a file, since the name ends in"):
        write(tmp_path / "d.deltarule", overwrite=True)


def test_it_may_be_reached_by_a_link(tmp_path):
    write(tmp_path / "b.deltarule")
    (tmp_path / "link.deltarule").symlink_to("b.deltarule")
    write(tmp_path / "link.deltarule", 2, overwrite=True)
    assert (tmp_path / "link.deltarule").is_symlink()
    assert read(tmp_path / "b.deltarule")[0] == {"a.json": 2}


# -- archives that are not what was written -----------------------------------------------------


def repacked(path, change=None, compression=zipfile.ZIP_STORED):
    """Pack the entries again, after a change of the list of (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    entries = change(entries) if change else entries
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_one_that_was_packed_again_is_read(tmp_path, compression):
    path = tmp_path / "b.deltarule"
    write(path, parts={"part": Part("inner", Bundle("inner", 1, {"i.json": 1}, {}))})
    content = read(path)
    repacked(path, lambda entries: [("part/", b""), *entries[::-1]], compression)
    assert read(path)[0] == content[0]
    assert read_bundle(path / "part", "inner", 1)[0] == {"i.json": 1}


def linked(name):
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: [*e, ("../up.json", b"1")], "'..' is no plain name"),
        (lambda e: [*e, ("/top.json", b"1")], "'' is no plain name"),
        (lambda e: [*e, ("a\\b.json", b"1")], "is no plain name"),
        (lambda e: [*e, ("C:x.json", b"1")], "is no plain name"),
        (lambda e: [*e, ("a/b/c.json", b"1")], "in a folder within a folder"),
        (lambda e: [*e, ("a.json", b"1")], "a name is there twice"),
        (lambda e: [*e, ("A.JSON", b"1")], "a name is there twice"),
        (lambda e: [*e, (linked("l.json"), b"/etc/passwd")], "is a link or a device"),
        (lambda e: [*e, ("more.json", b"1")], "holds 'more.json', which its manifest.json does"),
        (lambda e: [*e, ("other/manifest.json", b"1")], "holds 'other/manifest.json', which"),
        (lambda e: [*e, *((f"{i}.json", b"") for i in range(300))], "it has 30. entries"),
        (lambda e: e[1:], "has no manifest.json; expected a test bundle"),
        (lambda e: e[:1], "No such file in the archive"),
        (lambda e: [e[0], (e[1][0], b"2"), *e[2:]], r"a\.json' is not what was written"),
    ],
)
def test_one_that_could_be_read_in_two_ways_or_is_not_whole(tmp_path, change, message):
    path = tmp_path / "b.deltarule"
    write(path)
    repacked(path, change)
    with pytest.raises(ModelFileError, match=message):
        read(path)
    assert not has_bundle(tmp_path / "none.deltarule", KIND)


def test_bytes_that_belong_to_no_entry(tmp_path):
    path = tmp_path / "b.deltarule"
    write(path)
    data = path.read_bytes()
    for changed in (data + b"x", b"x" + data, data[:-1], data[: len(data) // 2], b"PK\3\4", b""):
        path.write_bytes(changed)
        with pytest.raises(ModelFileError, match=r"is not a whole \.deltarule file"):
            read(path)


def test_one_that_unpacks_to_more_than_it_may(tmp_path):
    path = tmp_path / "b.deltarule"
    write(path)
    bomb = json.dumps("a" * (1 << 27)).encode()
    repacked(path, lambda e: [*e[:1], ("a.json", bomb)], zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="unpack to more than 64 MiB"):
        read(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_crc_is_refused_as_other_programs_refuse_it(tmp_path, method):
    path, again = tmp_path / "m.deltarule", tmp_path / "again.deltarule"
    write(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(again, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        crc = new.getinfo("a.json").CRC.to_bytes(4, "little")
    assert read(again)[0] == {"a.json": 1}
    data = again.read_bytes()
    assert data.count(crc) == 2  # before the entry, and in the directory
    again.write_bytes(data.replace(crc, bytes(4)))
    with pytest.raises(ModelFileError, match=r"a\.json.*CRC-32 is [0-9a-f]{8}.*says 00000000"):
        read(again)
