"""Reading the recording of a training run, of which nothing is trusted."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.engines import EngineSettings
from deltarule.errors import InputError, ModelFileError, short_repr
from deltarule.files import checked_path, consistent_read, has_bundle, read_bundle
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.files.reading_errors import reading_content
from deltarule.maths import Network
from deltarule.maths.formula_fingerprint import check_fingerprints
from deltarule.optimizers import SCHEDULES
from deltarule.training.history import History
from deltarule.training.recording import (
    DOCUMENT,
    FOLDER,
    KIND,
    PLAIN_FIELDS,
    VERSION,
    Recording,
    formula_fingerprints,
)

__all__ = ["is_recorded", "load_recording"]

_KEYS = {"network", "formulas", "settings", "schedule", "digests", *PLAIN_FIELDS}
_MOST_LAYERS = 1 << 14


def load_recording(folder: str | os.PathLike[str]) -> Recording:
    """Read the recording of a run, from its own folder or that of its model.

    Parameters
    ----------
    folder : path
        A folder, or a ``.deltarule`` file.

    Raises
    ------
    ModelFileError
        If there is no recording, or a file in it was changed or truncated.
    UnregisteredFormula
        Such an error, if the recording uses an activation, loss or rule that is not registered.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from deltarule import Network, train
    >>> from deltarule.training import Recorder, load_recording
    >>> net, X = Network([1, 1]), np.array([[0.0], [1.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recorder = Recorder(folder + "/record")
    ...     result = train(net, X, 2 * X, epochs=3, callbacks=[recorder])
    ...     recording = load_recording(folder + "/record")
    >>> recording.end, bool((recording.theta(0) == net.initial(0)).all())
    (3, True)
    """
    path = checked_path("folder", folder)
    return consistent_read(path, lambda: _read(path))


def is_recorded(folder: Path) -> bool:
    """Return whether a model, in a folder or a single file, has a recording, perhaps damaged."""
    return (folder / FOLDER).is_dir() or (folder.is_file() and has_bundle(folder / FOLDER, KIND))


def _read(folder: Path) -> Recording:
    """Read a recording from its own place or that of its model, without a lock."""
    place = folder
    if folder.is_file():
        inside, of_model = not has_bundle(folder, KIND), not has_bundle(folder / FOLDER, KIND)
        of_model = of_model and inside and has_bundle(folder, "deltarule model")
    else:
        inside = not (folder / DOCUMENT).is_file() and (folder / FOLDER).is_dir()
        of_model = not inside and (folder / "model.json").is_file()
    if of_model:
        raise ModelFileError(
            f"{str(folder)!r} is a model whose training was not recorded; expected one with a "
            "recording; train it again with a Recorder, or with 'deltarule fit --record'"
        )
    if inside:
        place = folder / FOLDER
    with reading_content(place, "recording"):
        documents, arrays = read_bundle(place, KIND, VERSION, check=_check_arrays)
        return _of_bundle(documents, arrays)


def _check_arrays(documents: Mapping[str, Any], specs: Mapping[str, Any]) -> None:
    """Refuse arrays that are not of a recording of the network, before they are read."""
    check_keys(documents, {DOCUMENT, "history.json"})
    document = entry(documents, DOCUMENT, Mapping[str, Any])
    check_keys(document, _KEYS)
    network = entry(document, "network", Mapping[str, Any])
    widths = entry(network, "widths", tuple[int, ...])
    bias = int(entry(network, "bias", bool)) if "bias" in network else 1
    if len(widths) > _MOST_LAYERS:
        raise InputError(f"it is of a network of {len(widths)} layers")
    size = sum(n * (m + bias) for n, m in zip(widths[1:], widths[:-1], strict=True))
    begin = f"{entry(document, 'begin', int)}/theta"
    if begin not in specs:
        raise InputError(f"the checkpoint {begin!r} is missing")
    for name, spec in specs.items():
        step, _, part = name.partition("/")
        if name != "rows" and (not part or str(_step(step)) != step):
            raise InputError(f"{short_repr(name)} is no name of a part of a checkpoint")
        right = (spec.shape, str(spec.dtype)) == ((size,), entry(network, "dtype", str))
        if part == "theta" and not right:
            raise InputError(
                f"{name!r} is {spec.dtype} of shape {spec.shape}; expected {size} parameters"
            )


def _step(text: str) -> int:
    """Return the number of a step, which a name begins with."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise InputError(f"{short_repr(text)} is no number of a step")
    return int(text)


def _of_bundle(documents: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Recording:
    """Return the recording of a bundle that ``Recording.bundle`` made."""
    document = documents[DOCUMENT]
    fields = _plain_fields(document)
    net = Network.from_dict(document["network"])
    checkpoints: dict[int, dict[str, np.ndarray]] = {}
    for name, value in arrays.items():
        step, _, part = name.partition("/")
        if part:
            checkpoints.setdefault(_step(step), {})[part] = value
    for after, state in checkpoints.items():
        if "theta" not in state or not np.isfinite(state["theta"]).all():
            raise InputError(f"the parameters after step {after} are missing, or not all finite")
    settings = _settings(entry(document, "settings", Mapping[str, Any]))
    schedule = SCHEDULES.get(entry(document, "schedule", Any))
    if "formulas" in document:  # earlier versions left it out
        check_fingerprints(formula_fingerprints(net, settings.rule, schedule), document["formulas"])
    digests = entry(document, "digests", Mapping[str, str])
    return Recording(
        net=net,
        settings=settings,
        schedule=schedule,
        rows=_rows(arrays["rows"], fields["n_rows"]) if "rows" in arrays else None,
        checkpoints=dict(sorted(checkpoints.items())),
        digests={_step(step): digest for step, digest in digests.items()},
        history=History.from_list(entry(documents, "history.json", list)),
        **fields,
    )


def _rows(packed: np.ndarray, n_rows: int) -> np.ndarray:
    """Return the numbers of the training rows, of which each has a bit."""
    if packed.dtype != np.uint8 or packed.shape != (-(-n_rows // 8),):
        raise InputError(f"the training rows are {packed.dtype} of shape {packed.shape}")
    bits = np.unpackbits(packed)
    if bits[n_rows:].any():
        raise InputError("there are training rows beyond the last")
    return np.flatnonzero(bits)


def _settings(record: Mapping[str, Any]) -> EngineSettings:
    known = EngineSettings.__dataclass_fields__
    check_keys(record, known)
    if missing := set(known) - set(record):
        raise InputError(f"{min(missing)!r} is missing")
    values = dict(record)
    for name in ("l2", "l1", "total_weight"):
        values[name] = entry(record, name, float)
    for name in ("clip_norm", "averaging"):
        values[name] = entry(record, name, float | None)
    if type(record["seed"]) is not int:  # of any size
        raise InputError(f"seed is {short_repr(record['seed'])}; expected a whole number")
    several = isinstance(record["dropout"], list)
    values["dropout"] = entry(record, "dropout", tuple[float, ...] if several else float)
    return EngineSettings(**values)


def _plain_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that JSON stores unchanged, with their types and ranges checked."""
    hints = typing.get_type_hints(Recording)
    fields = {name: entry(document, name, hints[name]) for name in PLAIN_FIELDS}
    least = {"n_rows": 1, "batch_size": 1, "epochs": 0, "begin": 0, "end": fields["begin"]}
    least["threads"] = 1
    for name, limit in least.items():
        if fields[name] is not None and fields[name] < limit:
            raise InputError(f"{name} is {fields[name]}; expected at least {limit}")
    return fields
