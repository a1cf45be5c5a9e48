"""What a training run is of: everything that its result depends on, as an object for JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.engines.environment import environment_of
from deltarule.errors import InputError
from deltarule.files.atomic_file import json_bytes
from deltarule.training.batches import Batches, RowChunks, Rows, RowSource, SelectedRows
from deltarule.training.minimizer_run import MinimizerRun
from deltarule.training.packed_batches import PackedBatches
from deltarule.training.recording import digest_of_theta, formula_fingerprints, settings_to_dict
from deltarule.training.run import Run
from deltarule.training.steps import StepRun

__all__ = ["data_digest", "describe_run", "first_difference", "refuse_difference", "text_of"]

# Bytes of an array, and rows of a source, that are digested at a time.
_CHUNK_BYTES, _CHUNK_ROWS = 1 << 24, 8192


def data_digest(array: np.ndarray | RowSource) -> str:
    """Return the SHA-256 of the dtype, the shape and all rows of an array or a source of rows.

    Examples
    --------
    >>> data_digest(np.zeros(2)) == data_digest(np.array([0.0, 5e-324]))
    False
    """
    digest = hashlib.sha256(f"{np.dtype(array.dtype).str} {tuple(array.shape)}".encode())
    if isinstance(array, SelectedRows):
        digest.update(data_digest(array.rows).encode() + data_digest(array.source).encode())
        return digest.hexdigest()
    rows = _CHUNK_ROWS
    if isinstance(array, np.ndarray):
        rows = max(_CHUNK_BYTES // max(array[:1].nbytes, 1), 1)
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return digest.hexdigest()


def _digests_of_training(batches: Batches) -> dict[str, str]:
    if isinstance(batches, PackedBatches):
        return batches.digests()
    return _digests(Rows(batches.X, batches.Y, batches.s))


def _digests(rows: Rows | RowChunks) -> dict[str, str]:
    if isinstance(rows, RowChunks):
        return {"store": rows.digest}
    return {"X": data_digest(rows.X), "Y": data_digest(rows.Y), "weights": data_digest(rows.s)}


def describe_run(run: Run) -> dict[str, Any]:
    """Return what the result of a run that begins now depends on.

    Two runs with equal descriptions give the same parameters, history and scores, bit for bit,
    unless a caller's function (scorer, callback, order) behaves differently.
    """
    batches, engine = run.batches, run.engine
    # In the order in which differences are told: what follows from the data comes after it.
    found: dict[str, Any] = {
        "seed": batches.seed,
        "data": _digests_of_training(batches),
        "training rows": None if batches.rows is None else data_digest(batches.rows),
        "validation": None if run.validation_rows is None else _digests(run.validation_rows),
        "network": engine.net.to_dict(),
        "settings": settings_to_dict(engine.settings),
        "epochs": run.epochs,
        "earlier epochs": run.earlier_epochs,
        "batch_size": batches.batch_size,
        "shuffle": batches.shuffle,
        "own order": batches.order is not None,
        "stopping": [text_of(each) for each in run.criteria],
        "keep_best": run.keep_best,
        "scorer": None if run.scorer is None else text_of(run.scorer),
        "start": digest_of_theta(np.asarray(engine.theta)),
        "environment": environment_of(engine.name) | {"engine": engine.name},
    }
    if isinstance(run, StepRun):
        found |= {"learning_rate": run.rate, "schedule": run.schedule.spec()}
        if run.recovery is not None:
            found["on_divergence"] = run.recovery.policy
        rule = engine.settings.rule
        found["formulas"] = formula_fingerprints(engine.net, rule, run.schedule)
    elif isinstance(run, MinimizerRun):
        found["minimizer"] = run.minimizer.spec()
    # As JSON stores it: lists in place of tuples.
    described: dict[str, Any] = json.loads(json_bytes("description", found))
    return described


def text_of(value: Any) -> str:
    """Return a text for a criterion or a function that is the same in every process."""
    if dataclasses.is_dataclass(value):
        return repr(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def refuse_difference(
    stored: Mapping[str, Any], current: Mapping[str, Any], parameter: str, place: str
) -> None:
    """Refuse to go on from a checkpoint of another run.

    Parameters
    ----------
    stored, current : mapping
        From :func:`describe_run`, or another object for JSON.
    parameter, place : str
        The parameter that named the checkpoint, and where it is.

    Raises
    ------
    InputError
        If they differ; it names the first difference.

    Examples
    --------
    >>> refuse_difference({"epochs": 5}, {"epochs": 6}, "checkpoint", "c")
    Traceback (most recent call last):
    deltarule.errors.InputError: checkpoint 'c' is of another run: epochs was 5 there, and is 6 \
now; expected the data, settings and versions of the run that it began with; give those to go on, \
or name another folder to begin anew
    """
    difference = first_difference(stored, current)
    if difference is None:
        return
    raise InputError(
        f"{parameter} {place!r} is of another run: {difference}; expected the data, settings and "
        "versions of the run that it began with; give those to go on, or name another folder to "
        "begin anew",
        parameter=parameter,
    )


def first_difference(
    stored: Any,
    current: Any,
    name: str = "",
    told: str = "{name} was {stored!r} there, and is {current!r} now",
) -> str | None:
    """Return the first difference of two descriptions as a text; None if there is none.

    ``told`` is the text about two values that can be shown.

    Examples
    --------
    >>> first_difference({"settings": {"l2": 0.0}}, {"settings": {"l2": 0.1}})
    'settings l2 was 0.0 there, and is 0.1 now'
    """
    if isinstance(stored, Mapping) and isinstance(current, Mapping):
        # A processor's name may differ where all that it computes is the same.
        keys = [key for key in dict.fromkeys((*current, *stored)) if key != "processor"]
        for key in keys:
            inner = f"{name} {key}".strip()
            found = first_difference(stored.get(key), current.get(key), inner, told)
            if found is not None:
                return found
        return None
    if stored == current:
        return None
    if name == "formulas" or any(map(_holds_digest, (stored, current))):
        return f"{name} is not the same"
    return told.format(name=name, stored=stored, current=current)


def _holds_digest(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_digest, value))
    return isinstance(value, str) and len(value) >= 16 and not value.strip("0123456789abcdef")
