"""What a C program or an ONNX graph says of the model that it was made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule._version import __version__
from deltarule.errors import FileError, InputError, printable
from deltarule.files import has_bundle, read_bundle
from deltarule.files.bundle_reading import read_outline
from deltarule.files.names import C_PROGRAM, MANIFEST
from deltarule.files.seals import read_seal
from deltarule.training.extra_files import changed_files

__all__ = ["exported_facts", "exported_lines", "exported_warnings"]

_PARTS = ("model", "comparison")
_AS_WRITTEN, _CHANGED = "as written", "changed"


def exported_facts(path: Path) -> dict[str, Any] | None:
    """Return what an exported file says of its model and its comparison; None if it is none.

    ``sha256`` has the checksums of its files as they are now, and ``state`` whether each is as it
    was written: ``"as written"``, ``"changed"``, ``"missing"``, or, of a graph without a digest of
    its content, ``"not known"``.

    Raises
    ------
    FileError
        If a file is damaged, or names no model.
    MissingDependency
        If it is an ONNX graph, and onnx is not installed.
    """
    if path.suffix.lower() == ".onnx" and path.is_file():
        form = "ONNX graph"
        saved, state, sha256 = _of_graph(path)
    elif has_bundle(path, C_PROGRAM[0]):
        form = "C program"
        saved, state, sha256 = _of_program(path)
    else:
        return None
    parts = [saved.get(name) if isinstance(saved, Mapping) else None for name in _PARTS]
    if not all(isinstance(each, Mapping) for each in parts):
        raise FileError(
            f"{str(path)!r} does not say which model it was made of",
            expected="a file that 'deltarule export' wrote",
            hint="export the model again",
        )
    facts = {"path": str(path), "form": form, **dict(zip(_PARTS, parts, strict=True))}
    return {**facts, "state": state, "sha256": sha256}


def _of_program(path: Path) -> tuple[Any, dict[str, str], dict[str, str]]:
    """Return what a program says, and the states and the checksums of its files."""
    kind, version = C_PROGRAM
    documents, _ = read_bundle(path, kind, version)  # refuses a document that was changed
    manifest, *_ = read_outline(path, kind, version)
    seal = read_seal(path, kind)
    state = {**dict.fromkeys(documents, _AS_WRITTEN), **seal.extras}
    sha256 = {**manifest["sha256"], **seal.sha256, MANIFEST: seal.manifest}
    return next(iter(documents.values()), {}), state, sha256


def _of_graph(path: Path) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    from deltarule.export.onnx_graph import DIGEST, content_digest, import_onnx

    onnx = import_onnx()
    try:
        graph = onnx.load(str(path), load_external_data=False)
        texts = {each.key: each.value for each in graph.metadata_props}
        names = [each for each in _PARTS if f"deltarule.{each}" in texts]
        saved = {each: json.loads(texts[f"deltarule.{each}"]) for each in names}
        state = "not known"
        if DIGEST in texts:
            as_said = json.loads(texts[DIGEST]) == content_digest(graph)
            state = _AS_WRITTEN if as_said else _CHANGED
    except Exception as error:  # protobuf has errors of its own
        raise FileError(
            f"{str(path)!r} is not a valid ONNX graph",
            expected="a file that 'deltarule export --onnx' wrote",
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return saved, {path.name: state}, {path.name: digest}


def exported_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return in words what :func:`exported_facts` found.

    Raises
    ------
    FileError
        If the file is not what was written.
    """
    from deltarule.export.comparison import compared_with, comparison_lines, model_lines

    try:
        said = [
            *model_lines(facts["model"]),
            *comparison_lines(facts["comparison"], compared_with(facts["model"])),
        ]
    except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
        raise FileError(
            f"{facts['path']!r} says something else than was written", hint="export the model again"
        ) from error
    unchanged = [name for name, state in facts["state"].items() if state == _AS_WRITTEN]
    lines = [
        f"{printable(facts['path'])}: a deltarule {facts['form']}",
        *(f"warning: {each}" for each in exported_warnings(facts)),
    ]
    if unchanged:
        lines.append(f"unchanged since it was {_done(facts)}: {', '.join(unchanged)}")
    lines += [f"sha256 of {printable(name)}: {each}" for name, each in facts["sha256"].items()]
    return [
        *lines,
        *said,
        f"Checked by deltarule {__version__}. A checksum is not a signature: who can change a",
        "file can change its checksum too. Compare the sha256 with one noted elsewhere.",
    ]


def _done(facts: Mapping[str, Any]) -> str:
    """Return what was done with the files: tested as well, if there was a compiler."""
    tested = facts["comparison"].get("largest_difference") is not None
    return "exported and tested" if tested else "exported"


def exported_warnings(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which files are not as they were written and tested."""
    known = {name: state for name, state in facts["state"].items() if state != "not known"}
    unknown = facts["state"].keys() - known.keys()
    return (
        *changed_files(known, _done(facts)),
        *(
            f"whether {printable(name)} is what was {_done(facts)} is not known: it has no "
            "checksum of its content, as an earlier version wrote it; export the model again"
            for name in unknown
        ),
    )
