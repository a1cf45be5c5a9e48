"""What a C program or an ONNX graph says of the model that it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule.errors import FileError, InputError, printable
from deltarule.files import has_bundle, read_bundle
from deltarule.files.bundle_reading import read_seal
from deltarule.files.names import C_PROGRAM
from deltarule.training.inspection import (
    changed_files,
    distilled_text,
    member_text,
    training_table_text,
)

__all__ = ["exported_facts", "exported_lines", "exported_warnings"]


def exported_facts(path: Path) -> dict[str, Any] | None:
    """Return what an exported file says of its model and its comparison; None if it is none.

    Raises
    ------
    FileError
        If a file is damaged, or names no model.
    MissingDependency
        If it is an ONNX graph, and onnx is not installed.
    """
    kind, version = C_PROGRAM
    if path.suffix.lower() == ".onnx" and path.is_file():
        form, saved, extras = "ONNX graph", _onnx_metadata(path), dict[str, str]()
    elif has_bundle(path, kind):
        documents, _ = read_bundle(path, kind, version)
        form, saved = "C program", next(iter(documents.values()), {})
        extras = read_seal(path, kind).extras
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
    return {**facts, "extras": extras}


_PARTS = ("model", "comparison")


def _onnx_metadata(path: Path) -> dict[str, Any]:
    from deltarule.export.onnx_graph import import_onnx

    onnx = import_onnx()
    try:
        graph = onnx.load(str(path), load_external_data=False)
        texts = {each.key: each.value for each in graph.metadata_props}
        names = [each for each in _PARTS if f"deltarule.{each}" in texts]
        return {each: json.loads(texts[f"deltarule.{each}"]) for each in names}
    except Exception as error:  # protobuf has errors of its own
        raise FileError(
            f"{str(path)!r} is not a valid ONNX graph",
            expected="a file that 'deltarule export --onnx' wrote",
        ) from error


def exported_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return in words what :func:`exported_facts` found.

    Raises
    ------
    FileError
        If the file is not what was written.
    """
    model, found = facts["model"], facts["comparison"]
    try:
        fingerprint = model.get("fingerprint") or "not known"
        lines = [
            f"{printable(facts['path'])}: a deltarule {facts['form']}",
            *(f"warning: {each}" for each in exported_warnings(facts)),
            f"of the model with the fingerprint: sha256 {printable(fingerprint)}",
        ]
        if "trained_on" in model:
            lines.append(f"trained on: {printable(training_table_text(model['trained_on']))}")
        if "distilled" in model:
            lines.append(f"distilled: {printable(distilled_text(model['distilled']))}")
        if "member" in model:
            lines.append(f"exported: {printable(member_text(model['member']))}")
        return [*lines, *_proof(found)]
    except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
        raise FileError(
            f"{facts['path']!r} says something else than was written", hint="export the model again"
        ) from error


def exported_warnings(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which files of a C program are not as they were written and tested."""
    return changed_files(facts["extras"], "exported and tested")


def _proof(found: Mapping[str, Any]) -> list[str]:
    from deltarule.export.subject import rows_words

    if found["largest_difference"] is None:
        return [f"not compared with the model, for want of a compiler; {found['rows']:,} rows"]
    said = f"predictions differ from the model's by at most {found['largest_difference']:.2g}"
    if found["differing_labels"] is not None:
        said += f"; {found['differing_labels']:,} labels differ"
    lines = [f"compared on {found['rows']:,} rows: {said}"]
    if "made_rows" in found:  # an export of an earlier version has the number of rows only
        lines.append(f"the rows: {printable(rows_words(dict(found)))}")
    return lines
