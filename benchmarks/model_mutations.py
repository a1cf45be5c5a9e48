"""Mutations of model files, and what must hold of each: the parts of the fuzzer of model files.

A mutation changes what a file says, at any path of its JSON, in its arrays, in its manifest or its
archive, mostly with the checksums rewritten, as one would do who wants the file to be read. Reading
it must end in a ``ModelFileError``, or in a model that says, saved again, what the file says.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import io
import json
import math
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from deltarule.errors import DeltaruleError, ModelFileError
from deltarule.files.bundle_reading import manifest_digest
from deltarule.files.times import TIMES, with_times
from deltarule.maths import LOSSES
from deltarule.tabular import TableModel
from deltarule.training import inspect_model, load_model, load_recording, save_model

__all__ = ["Subject", "archive_bytes", "check", "files_of", "mutated", "subjects", "with_checksums"]

DOCUMENTS = ("model.json", "history.json", "recording.json")
ARRAYS, MANIFEST = "arrays.safetensors", "manifest.json"

EXTREMES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 2**31, 2**63, -(2**63), 10**18, 10**19, 10**400,
    0.0, -0.0, 0.5, 1.0, -1.0, 1e-320, 1e308, -1e308, 1e39, math.nan, math.inf, -math.inf,
    "", "a", "relu", "tanh", "softmax", "float32", "float64", ">f8", "object", "\0", "a\0b",
    "\ud800",
    "é" * 300, "../x", "/etc/passwd", "W1", "nan", "1", "(missing)", "regression", "number",
    "classification", "x" * 5000, [], {}, [[]], [0], [[0]], [[0, 1]], [None], [True], ["a"],
    [["a", 1]], {"": None},
    {"name": "relu"}, {"name": "relu", "alpha": "x"}, {"name": "leaky_relu", "alpha": 1e400},
    {"which": 1}, {"name": {"name": "relu"}}, [50000, 50000, 1], [1] * 3000, [10**9, 10**9],
    {"a": {"b": {"c": []}}}, [[[[[[[[[[]]]]]]]]]],
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model file to begin from: its files by name, and the function that reads it."""

    name: str
    files: dict[str, bytes]
    read: Callable[[Path], Any]
    save: Callable[[Any, Path], None]


def subjects(golden: Path) -> list[Subject]:
    """Return the subjects: the golden models, with few networks of each member."""
    network, table = (files_of(golden / f"v1-{name}.deltarule") for name in ("network", "table"))
    own = {name: data for name, data in network.items() if "/" not in name}
    record = {
        name.removeprefix("record/"): data
        for name, data in network.items()
        if name.startswith("record/")
    }
    return [
        Subject("network", own, load_model, _save_network),
        Subject("network with its recording", network, load_model, _save_network),
        Subject("recording", record, load_recording, lambda each, path: each.save(path)),
        Subject("inspected", table, inspect_model, lambda each, path: None),
        Subject("table", table, TableModel.load, lambda each, path: each.save(path)),
        Subject(
            "portfolio",
            _few_networks(files_of(golden / "v2-portfolio.deltarule")),
            TableModel.load,
            lambda each, path: each.save(path),
        ),
    ]


def _save_network(model: Any, path: Path) -> None:
    save_model(path, model)


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _few_networks(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return a portfolio with one network of each member, which is read faster."""
    documents, arrays = json.loads(files["model.json"]), load_arrays(files[ARRAYS])
    for record in (documents["portfolio"], documents["intervals"]["scale"]):
        for member in record["members"] if record else ():
            del member["networks"][1:]
    kept = {
        name: value
        for name, value in arrays.items()
        if name.removeprefix("intervals.").removeprefix("scale.").split(".")[1:2] in ([], ["0"])
    }
    files = {**files, "model.json": _dumped(documents), ARRAYS: save_arrays(kept)}
    return with_checksums(files)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def with_checksums(files: dict[str, bytes], inner: str = "") -> dict[str, bytes]:
    """Return the files with a manifest that has the checksums of what is there now."""
    manifest = json.loads(files[f"{inner}{MANIFEST}"])
    for name in manifest["sha256"]:
        if f"{inner}{name}" in files:
            manifest["sha256"][name] = hashlib.sha256(files[f"{inner}{name}"]).hexdigest()
    for part in manifest.get("parts", {}):
        data = files.get(f"{part}/{MANIFEST}", b"")
        manifest["parts"][part] = hashlib.sha256(data).hexdigest()
    manifest["checksum"] = manifest_digest(manifest)
    return {**files, f"{inner}{MANIFEST}": _dumped(manifest)}


# -- mutations ---------------------------------------------------------------------------------


def mutated(subject: Subject, rng: random.Random) -> tuple[str, bytes | dict[str, bytes]]:
    """Return the kind of mutation, and the bytes of the file, or the files of a folder."""
    kinds: list[Any] = [_json] * 12 + [_arrays] * 3 + [_header, _manifest, _text, _archive, _raw]
    mutate = rng.choice(kinds)
    changed = mutate(dict(subject.files), rng)
    if isinstance(changed, dict) and (mutate is not _json or rng.random() < 0.9):
        changed = archive_bytes(changed)
    return mutate.__name__[1:], changed


def archive_bytes(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as file:
        for name, data in files.items():
            file.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return archive.getvalue()


def _path(value: Any, rng: random.Random, deeper: float = 0.8) -> list[Any]:
    """Return the path to a random value within a JSON value, by a walk from the top."""
    path: list[Any] = []
    while isinstance(value, dict | list) and value and (not path or rng.random() < deeper):
        keys = list(value) if isinstance(value, dict) else (0, -1, rng.randrange(len(value)))
        path.append(rng.choice(keys))
        value = value[path[-1]]
    return path


def _at(value: Any, path: list[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def _change(document: Any, rng: random.Random) -> Any:
    """Change a JSON value at a random path."""
    path = _path(document, rng, rng.choice((0.6, 0.9, 1.0)))
    if not path or rng.random() < 0.01:
        return copy.deepcopy(rng.choice(EXTREMES))
    at, key, how = _at(document, path[:-1]), path[-1], rng.random()
    if how < 0.6:
        at[key] = copy.deepcopy(rng.choice(EXTREMES))
    elif how < 0.7:
        del at[key]
    elif how < 0.8:
        at[key] = copy.deepcopy(_at(document, _path(document, rng)))
    elif how < 0.9 and isinstance(at, list):
        at.insert(rng.randint(0, len(at)), copy.deepcopy(at[key]))
    elif how < 0.9:
        at[rng.choice(("", "x", "name", "format", str(key) + "x"))] = at[key]
    elif isinstance(at[key], bool | int | float):
        at[key] = rng.choice((-at[key], at[key] + 1, at[key] * 2, str(at[key])))
    else:
        at[key] = [at[key]]
    return document


def _document_of(files: dict[str, bytes], rng: random.Random) -> str:
    return rng.choice([name for name in files if name.rpartition("/")[2] in DOCUMENTS])


def _json(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    name = _document_of(files, rng)
    if "model.json" in files and rng.random() < 0.8:
        name = "model.json"
    document = json.loads(files[name])
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        document = _change(document, rng)
    files[name] = _dumped(document)
    return _rewritten(files, name)


def _rewritten(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    inner = name.rpartition("/")[0]
    if inner:
        files = with_checksums(files, f"{inner}/")
    return with_checksums(files)


def _text(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Change the text of a document: keys that are there twice, brackets, numbers, bytes."""
    name = _document_of(files, rng)
    text = files[name]
    at = rng.randrange(len(text))
    how = rng.randrange(6)
    if how == 0:
        place = text.find(b'": ', at)
        start = text.rfind(b'"', 0, place)
        end = text.find(b"\n", place)
        text = text[:start] + text[start:end] + text[start:] if 0 < start < end else text + b"}"
    elif how == 1:
        text = text[:at] + b"[" * rng.choice((1, 500, 100_000)) + text[at:]
    elif how == 2:
        text = text[:at] + b"9" * rng.choice((1, 400, 5000)) + text[at:]
    elif how == 3:
        text = text[:at] + bytes(rng.randrange(256) for _ in range(3)) + text[at:]
    elif how == 4:
        text = text[:at]
    else:
        text = rng.choice((b"", b"null", b"[]", b"\xff\xfe", text.decode().encode("utf-16")))
    files[name] = text
    return _rewritten(files, name)


def _arrays(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    places = [name for name in files if name.endswith(ARRAYS)]
    place = rng.choice(places)
    arrays = dict(load_arrays(files[place]))
    name = rng.choice(list(arrays))
    value, how = arrays[name], rng.randrange(10)
    if how == 0:
        del arrays[name]
    elif how == 1:
        arrays[rng.choice(("W9", "", "a.b.c", "0/theta", "9/x", "intervals.x", "é\0"))] = value
    elif how == 2:
        arrays[name] = value.astype(rng.choice(("float64", "float32", "int64", "uint8", "float16")))
    elif how == 3:
        arrays[name] = value.reshape(-1)[rng.randrange(2) :].copy()
    elif how == 4:
        arrays[name] = value[None].copy()
    elif how == 5:
        arrays[name] = value.T.copy()
    elif how == 6 and value.size:
        flat = value.reshape(-1).copy()
        new = rng.choice((math.nan, math.inf, -math.inf, 1e38, -1.0, 0.0))
        with np.errstate(all="ignore"):
            flat[rng.randrange(flat.size)] = new if value.dtype.kind == "f" else 1
        arrays[name] = flat.reshape(value.shape)
    elif how == 7:
        arrays[name] = np.zeros((0, *value.shape), value.dtype)
    elif how == 8:
        other = rng.choice(list(arrays))
        arrays[name], arrays[other] = arrays[other], value
    else:
        arrays = {}
    files[place] = save_arrays(arrays)
    return _rewritten(files, place)


def _header(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Change the header of the arrays, or give it very many entries."""
    place = rng.choice([name for name in files if name.endswith(ARRAYS)])
    data = files[place]
    size = struct.unpack("<Q", data[:8])[0]
    header, rest = json.loads(data[8 : 8 + size]), data[8 + size :]
    for _ in range(rng.choice((0, 1, 2))):
        header = _change(header, rng)
    if isinstance(header, dict) and rng.random() < 0.002:
        empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        header |= {f"a{i}": empty for i in range(rng.choice((1000, 100_000)))}
    text = _dumped(header)
    length = rng.choice((len(text),) * 6 + (0, len(text) + 1, 2**63, len(data)))
    files[place] = struct.pack("<Q", length) + text + rest
    return _rewritten(files, place)


def _manifest(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    manifest = _change(json.loads(files[MANIFEST]), rng)
    if isinstance(manifest, dict) and rng.random() < 0.8:
        manifest.pop("checksum", None)
        if rng.random() < 0.5:
            manifest["checksum"] = manifest_digest(manifest)
    files[MANIFEST] = _dumped(manifest)
    return files


def _archive(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Change the entries of the archive, or bytes of its headers."""
    how = rng.randrange(4)
    if how == 0:
        files = dict(sorted(files.items(), key=lambda _: rng.random()))
        name = rng.choice(
            ("../a", "/a", "a\\b", "A" * 70_000, "MODEL.JSON", "a/b/c", "é", "x.json")
        )
        files[name[: 2**16 - 1]] = b"{}"
    elif how == 1:
        del files[rng.choice(list(files))]
    data = archive_bytes(files, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    if how >= 2:
        # Of the directory, at the end, or of a header before data.
        start = data.rfind(b"PK\5\6") if how == 3 else 0
        places = [start + rng.randrange(22 if how == 3 else 30) for _ in range(rng.choice((1, 2)))]
        places += [data.find(b"PK\1\2") + rng.randrange(46)] if rng.random() < 0.5 else []
        changed = bytearray(data)
        for place in places:
            changed[place] = rng.choice((0, 1, 255, rng.randrange(256)))
        data = bytes(changed)
    return data


def _raw(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Flip bits, cut, or insert bytes, anywhere in the file."""
    data = bytearray(archive_bytes(files))
    how = rng.randrange(3)
    at = rng.randrange(len(data))
    if how == 0:
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == 1:
        del data[at : at + rng.choice((1, 10, len(data)))]
    else:
        data[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 8, 100))))
    return bytes(data)


# -- what must hold -----------------------------------------------------------------------------


def check(subject: Subject, path: Path, again: Path, table: Any = None) -> str:
    """Read a mutated file; return whether it was refused or read, or raise what is wrong with it.

    Parameters
    ----------
    subject : Subject
    path : Path
        The file or folder.
    again : Path
        Where a model that was read is saved again.
    table : optional
        Rows that the model of a table predicts.
    """
    try:
        model = subject.read(path)
    except ModelFileError as error:
        message = str(error)
        if "\n" in message or len(message) > 2000:
            raise AssertionError(
                f"a message of {len(message)} characters: {message[:500]}"
            ) from None
        return "refused"
    if subject.read is inspect_model:
        model.to_dict()
        str(model)
        return "read"
    try:
        if table is not None:
            model.predict(table)
    except DeltaruleError:
        pass
    again.unlink(missing_ok=True)
    subject.save(model, again)
    _compare(path, again)
    return "read"


def _compare(path: Path, again: Path) -> None:
    """Refuse a model that, saved again, says something else than its file."""
    saved = files_of(again)
    there = {}
    if path.is_dir():
        there = {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}
    else:
        with zipfile.ZipFile(path) as archive:  # a part of it was not read, and may be damaged
            names = set(archive.namelist())
            there = {name: archive.read(name) for name in saved if name in names}
    given, written = _documents(there), _documents(saved)
    for name in saved:
        if name.endswith(ARRAYS):
            one, other = load_arrays(there[name]), load_arrays(saved[name])
            assert one.keys() == other.keys(), (name, "names of arrays")
            for key, value in one.items():
                same = value.dtype == other[key].dtype and value.tobytes() == other[key].tobytes()
                assert same, (name, key)
        elif name.rpartition("/")[2] in DOCUMENTS:
            problem = _difference(given[name], written[name], name)
            assert not problem, problem


def _documents(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the documents, with the times that the model's own have in a file of theirs."""
    names = (TIMES, *DOCUMENTS)
    found = {name: json.loads(each) for name, each in files.items() if name in names}
    inner = {
        name: json.loads(each)
        for name, each in files.items()
        if "/" in name and name.rpartition("/")[2] in DOCUMENTS
    }
    return {**with_times(found), **inner}


def _difference(given: Any, saved: Any, where: str) -> str:
    """Describe where the saved value differs; it may have more keys, of fields with defaults."""
    if isinstance(given, dict) and isinstance(saved, dict):
        for key, value in given.items():
            if key == "formulas":  # compared to six digits, and written as computed now
                continue
            if key not in saved:
                return f"{where} lost {key!r}"
            if problem := _difference(value, saved[key], f"{where}/{key}"):
                return problem
        return ""
    if isinstance(given, list) and isinstance(saved, list):
        if len(given) != len(saved):
            return f"{where} has {len(saved)} items, and not {len(given)}"
        for index, (one, other) in enumerate(zip(given, saved, strict=True)):
            if problem := _difference(one, other, f"{where}/{index}"):
                return problem
        return ""
    numbers = all(type(each) in (int, float) for each in (given, saved))
    same = given == saved or (given != given and saved != saved)
    if same and (numbers or type(given) is type(saved)):
        return ""
    # A formula may be written as its name, or as an object with all of its parameters.
    if isinstance(given, dict) and given == {"name": saved}:
        return ""
    if isinstance(given, str) and saved in (each.spec() for each in LOSSES if each.name == given):
        return ""
    return f"{where} is {str(given)[:80]!r} in the file, and {str(saved)[:80]!r} in the model"
