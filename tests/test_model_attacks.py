"""Model files that somebody made to be read: refused, at once, and without much memory."""

import dataclasses
import hashlib
import json
import os
import random
import resource
import struct
import sys
import time
import zipfile

import numpy as np
import pytest
from benchmarks.fuzz_models import GOLDEN, WEIGHTS
from benchmarks.model_mutations import check, mutated, subjects
from tests.golden.make_models import a_table, inputs

from deltarule import inspect_model, load_model
from deltarule.errors import FileError, ModelFileError, UnregisteredFormula
from deltarule.files import read_json, reading_errors, write_bundle
from deltarule.files.bundle_reading import manifest_digest
from deltarule.maths import Network
from deltarule.tabular import TableModel
from deltarule.training import EpochLog, History, Model, load_recording, save_model

KIND = "deltarule model"
ARRAYS = "arrays.safetensors"


@pytest.fixture(autouse=True)
def unexpected_exceptions_are_not_hidden(monkeypatch):
    monkeypatch.setattr(reading_errors, "reraise_unexpected", True)


# -- golden files ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v1-network", "v1-network.deltarule"])
def test_a_golden_network_is_read_and_predicts_what_it_did(name):
    model = load_model(GOLDEN / name)
    expected = read_json(GOLDEN / "expected.json")["network"]
    np.testing.assert_allclose(
        model.predict(inputs().astype(np.float32), "reference"), expected, rtol=1e-5
    )
    assert len(model.history) == 3
    assert model.net.frozen.sum() == 3
    assert model.extra == {"note": "golden"}


def test_a_golden_recording_and_golden_models_of_tables_too():
    expected = read_json(GOLDEN / "expected.json")
    assert load_recording(GOLDEN / "v1-network.deltarule").end == 3
    table, rows = TableModel.load(GOLDEN / "v1-table.deltarule"), a_table(5)
    np.testing.assert_allclose(table.predict_proba(rows), expected["table"], rtol=1e-5)
    portfolio = TableModel.load(GOLDEN / "v2-portfolio.deltarule")
    np.testing.assert_allclose(portfolio.predict(rows), expected["portfolio"], rtol=1e-4)
    np.testing.assert_allclose(
        portfolio.predict_interval(rows, 0.8), expected["interval"], rtol=1e-4
    )


# -- at random -----------------------------------------------------------------------------------


def test_mutated_files_are_refused_or_say_what_the_model_says(tmp_path):
    found = {"refused": 0, "read": 0}
    kinds = subjects(GOLDEN)
    for number in range(700):
        rng = random.Random(number)
        subject = rng.choices(kinds, WEIGHTS)[0]
        _, content = mutated(subject, rng)
        path = tmp_path / f"{number}.deltarule"
        if isinstance(content, dict):
            for name, data in content.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(data)
        else:
            path.write_bytes(content)
        found[check(subject, path, tmp_path / "again.deltarule")] += 1
    assert min(found.values()) > 50


# -- one by one ------------------------------------------------------------------------------------


def a_folder(tmp_path):
    net = Network([2, 3, 1])
    save_model(tmp_path / "m", Model(net, net.initial(0)))
    return tmp_path / "m"


def with_checksums(folder):
    """Rewrite the manifest for the files that are there now."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["sha256"]:
        if (folder / name).is_file() and (folder / name).stat().st_size < 1 << 28:
            manifest["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    manifest["checksum"] = manifest_digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def edited(folder, change, name="model.json"):
    document = json.loads((folder / name).read_text())
    document = change(document) or document
    (folder / name).write_text(json.dumps(document))
    with_checksums(folder)
    return folder


def refused(path, match, read=load_model):
    """Check that a file is refused, in less than a second of this process, and little memory."""
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match=match):
        read(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1 << 20  # KiB
    return time.process_time() - begun


@pytest.mark.skipif(sys.platform != "linux", reason="links, pipes and devices")
@pytest.mark.parametrize("name", ["manifest.json", "model.json", ARRAYS])
@pytest.mark.parametrize("what", ["link", "pipe", "device", "folder", "socket"])
def test_what_is_no_plain_file_is_not_opened(tmp_path, name, what):
    path = a_folder(tmp_path) / name
    path.rename(tmp_path / "elsewhere")
    if what == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "socket":
        os.mknod(path, 0o140600)
    else:
        path.mkdir()
    refused(path.parent, "it is a link|it is not a file")
    if what == "pipe":
        refused(path, "is not a folder")


def test_a_file_of_5_gib_without_content_is_not_read(tmp_path):
    folder = a_folder(tmp_path)
    for name in (ARRAYS, "model.json", "manifest.json"):
        data = (folder / name).read_bytes()
        with (folder / name).open("r+b") as file:
            file.truncate(5 << 30)
        refused(folder, r"has 5,368,709,120 bytes|bytes in the header")
        (folder / name).write_bytes(data)
    with (tmp_path / "m.deltarule").open("wb") as file:
        file.truncate(5 << 30)
    refused(tmp_path / "m.deltarule", "does not end as a plain zip archive does")


def test_the_arrays_of_another_network_are_not_read(tmp_path):
    """Their header is right, and says that there are 5 GiB."""
    folder = a_folder(tmp_path)
    shape = [5 << 15, 1 << 12]
    header = json.dumps({"W1": {"dtype": "F64", "shape": shape, "data_offsets": [0, 5 << 30]}})
    with (folder / ARRAYS).open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header.encode())
        file.truncate(8 + len(header) + (5 << 30))
    refused(folder, "W1 is float64 of shape .*; expected float64 of shape")


def huge_value(formula):
    formula["expression"], formula["values"][0] = "another", 10**400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["network"].update(widths=[50000, 50000, 1]), "W1 is float64 of shape"),
        (lambda d: d["network"].update(widths=[1] * 2_000_000), "W1 is float64 of shape"),
        (lambda d: d["network"].update(widths=[2, 3] + [1] * 2_000_000), "'W3' is missing|W2 is"),
        (lambda d: d["network"].update(frozen=[[0]]), "frozen holds"),
        (lambda d: d["network"].update(frozen=[[0, 10**400]]), "frozen has more than 18 digits"),
        (lambda d: d["network"].update(activation="tanh"), "activation is 'tanh'; expected a list"),
        (lambda d: d["network"].update(dtype=">f8"), "dtype is '>f8'"),
        (lambda d: d["network"].update(loss={"which": 1}), "unknown loss ''"),
        (lambda d: huge_value(d["formulas"][0]), "where it gave inf"),
        (lambda d: d.update(more=1), "'more' is no field of it"),
        (lambda d: [d], "model.json is .*; expected an object"),
    ],
)
def test_a_document_whose_values_are_none(tmp_path, change, message):
    refused(edited(a_folder(tmp_path), change), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 100_000, "is not valid json|too many brackets|recursion"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there more than once"),
        (b"9" * 10_000, "is not valid JSON: Exceeds the limit"),
        (b"[" + b"{}," * 2_000_000 + b"{}]", "it has too many values"),
        (b'"\xff"', "is not valid JSON"),
        (b"", "is not valid JSON"),
    ],
)
def test_a_document_that_is_no_json(tmp_path, text, message):
    folder = a_folder(tmp_path)
    (folder / "model.json").write_bytes(text)
    with_checksums(folder)
    refused(folder, f"(?i){message}")


def test_a_header_of_many_arrays(tmp_path):
    net = Network([2, 1], activation=[])
    arrays = {f"a{i}": np.zeros(0) for i in range(60_000)}
    record = {"network": net.to_dict(), "extra": {}}
    write_bundle(tmp_path / "m", KIND, 1, {"model.json": record, "history.json": []}, arrays)
    refused(tmp_path / "m", "the array 'W1' is missing")
    folder = a_folder(tmp_path / "more")
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"a{i}": empty for i in range(100_000)}).encode()
    (folder / ARRAYS).write_bytes(struct.pack("<Q", len(header)) + header)
    with_checksums(folder)
    refused(folder, "no object of at most 65,536 arrays")


def test_a_recording_of_a_large_network_makes_none(tmp_path):
    path = tmp_path / "r"
    load_recording(GOLDEN / "v1-network.deltarule").save(path)
    edited(path, lambda d: d["network"].update(widths=[50000, 50000, 1]), "recording.json")
    refused(path, "is float32 of shape .*; expected 2500", load_recording)


def test_a_formula_that_is_not_registered_is_told_from_damage(tmp_path):
    folder = edited(a_folder(tmp_path), lambda d: d["network"].update(loss="mine"))
    with pytest.raises(UnregisteredFormula, match=r"unknown loss 'mine'.*Register it first"):
        load_model(folder)
    assert inspect_model(folder).networks == ("2-3-1, relu, identity, mine, float64",)


def test_the_last_resort(tmp_path, monkeypatch):
    """What no check has foreseen is an error about the file as well."""
    folder = a_folder(tmp_path)

    def fails(*arguments):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("deltarule.training.model.stored_network", fails)
    with pytest.raises(ZeroDivisionError):
        load_model(folder)
    monkeypatch.setattr(reading_errors, "reraise_unexpected", False)
    refused(folder, "is not a complete model: ZeroDivisionError: by zero; restore it")


# -- inspecting ----------------------------------------------------------------------------------


def test_what_a_file_says_is_shown_and_nothing_is_made(monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("a network was made")

    monkeypatch.setattr(Network, "__init__", never)
    summary = inspect_model(GOLDEN / "v1-network.deltarule")
    assert summary.recorded
    assert (summary.parameters, summary.epochs, summary.version) == (25, 3, 1)
    assert summary.networks[0].startswith("2-3-3-1, tanh, leaky_relu(alpha=0.1), identity")
    text = str(inspect_model(GOLDEN / "v2-portfolio.deltarule"))
    for part in ("one file, format 2", "regression of 'y' by 3 columns", "day (date)", "rmse"):
        assert part in text
    with pytest.raises(FileError, match="is not a folder that exists"):
        inspect_model("nowhere")


def test_a_changed_report_is_noticed_and_the_fingerprint_is_of_the_model(tmp_path):
    net = Network([2, 3, 1])
    folder = tmp_path / "m"
    save_model(folder, Model(net, net.initial(0)), extras={"report.html": b"<p>good</p>"})
    manifest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    before = inspect_model(folder)
    assert before.extras == {"report.html": "as written"}
    assert before.manifest == manifest != before.fingerprint
    text = str(before)
    assert manifest in text
    assert before.fingerprint in text
    digest = hashlib.sha256(b"<p>good</p>").hexdigest()
    assert before.extras_sha256 == {"report.html": digest}
    assert f"as written: report.html, sha256 {digest}" in text
    assert "does\nnot cover the report" in text
    assert "a checksum is not a signature" in text.lower()
    assert "warning" not in text
    (folder / "report.html").write_bytes(b"<p>best</p>")
    changed = inspect_model(folder)
    assert changed.extras == {"report.html": "changed"}
    assert changed.extras_sha256["report.html"] == hashlib.sha256(b"<p>best</p>").hexdigest()
    assert (changed.manifest, changed.fingerprint) == (manifest, before.fingerprint)
    assert "warning: report.html is changed" in str(changed)
    assert load_model(folder).net.widths == (2, 3, 1)
    (folder / "report.html").unlink()
    (folder / "report.html").symlink_to(tmp_path / "elsewhere")
    assert inspect_model(folder).extras == {"report.html": "changed"}
    (folder / "report.html").unlink()
    assert inspect_model(folder).extras == {"report.html": "missing"}
    file = tmp_path / "m.deltarule"
    save_model(file, Model(net, net.initial(0)))
    with zipfile.ZipFile(file) as archive:
        inner = hashlib.sha256(archive.read("manifest.json")).hexdigest()
    summary = inspect_model(file)
    # A folder and a file of the same model, with and without a report, have one fingerprint.
    assert (summary.manifest, summary.fingerprint) == (inner, before.fingerprint)
    save_model(file, Model(net, net.initial(1)), overwrite=True)
    assert inspect_model(file).fingerprint != before.fingerprint


def test_the_fingerprint_leaves_out_how_long_the_training_took_and_nothing_else(tmp_path):
    net = Network([1, 1])
    logs = EpochLog(1, 4, 0.5, 0.0, None, None, 0.1, 0.25)

    def saved(name, log, extra):
        model = Model(net, net.initial(0), History([log]), extra)
        save_model(tmp_path / name, model)
        back = load_model(tmp_path / name)
        assert back.history.to_list() == model.history.to_list()
        assert back.extra == extra
        return inspect_model(tmp_path / name)

    extra = {"report": {"seconds": 2.5, "leaderboard": [{"seconds": 1.0, "n": 1}, {"n": 2}]}}
    first = saved("a", logs, extra)
    slower = {"report": {"seconds": 9.5, "leaderboard": [{"seconds": 7.0, "n": 1}, {"n": 2}]}}
    second = saved("b", dataclasses.replace(logs, seconds=3.0), slower)
    assert first.fingerprint == second.fingerprint
    assert first.manifest != second.manifest
    assert saved("c", dataclasses.replace(logs, loss=0.25), extra).fingerprint != first.fingerprint
    assert saved("d", logs, {"seconds": 2.5}).fingerprint != saved("e", logs, {}).fingerprint
    times = tmp_path / "a" / "times.json"
    times.write_text(times.read_text().replace("2.5", "2.4"))
    with pytest.raises(ModelFileError, match=r"times.json.*its checksum differs"):
        load_model(tmp_path / "a")
    with pytest.raises(ModelFileError, match=r"times.json.*its checksum differs"):
        inspect_model(tmp_path / "a")


@pytest.mark.parametrize(
    "times",
    [
        {"model.json": {"extra.limit": [1.5]}},  # null in the model, but no time
        {"model.json": {"extra.seconds": ["1.5"]}},
        {"model.json": {"extra.seconds": [1.5, 2.5]}},
        {"model.json": {"extra.seconds": [True]}},
        {"model.json": {"extra.taken.seconds": [1.5]}},
        {"model.json": {"network.seconds": [1.5]}},
        {"model.json": [1.5]},
        {"other.json": {"seconds": [1.5]}},
        [],
        None,
    ],
    ids=str,
)
def test_times_cannot_change_anything_else(tmp_path, times):
    net = Network([1, 1])
    extra = {"limit": None, "seconds": None, "taken": {"seconds": 1.0}}
    save_model(tmp_path / "m", Model(net, net.initial(0), extra=extra))
    place = tmp_path / "m"
    (place / "times.json").write_text(json.dumps(times))
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["sha256"]["times.json"] = hashlib.sha256(json.dumps(times).encode()).hexdigest()
    manifest["checksum"] = manifest_digest(manifest)
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelFileError, match=r"times\.json"):
        load_model(place)


@pytest.mark.parametrize("name", ["v1-network", "v1-table.deltarule", "v2-portfolio.deltarule"])
def test_a_model_of_an_earlier_version_keeps_its_fingerprint(name):
    summary = inspect_model(GOLDEN / name)
    assert summary.fingerprint == summary.manifest
    assert f"fingerprint of the model, of manifest.json: sha256 {summary.manifest}" in str(summary)
