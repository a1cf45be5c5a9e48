"""A recording of a training run: settings, checkpoints and digests, to replay any step."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.engines import EngineSettings
from deltarule.errors import FileError, InputError
from deltarule.files import Bundle, Part, read_document, write_bundle
from deltarule.files.dataclass_fields import entry
from deltarule.maths import Network
from deltarule.maths.formula_fingerprint import (
    fingerprint,
    is_user_formula,
    network_fingerprints,
)
from deltarule.optimizers import RULES, Rule, Schedule, StepInfo
from deltarule.training.batches import Batches
from deltarule.training.history import History

__all__ = [
    "FOLDER",
    "KIND",
    "Recording",
    "digest_of_rows",
    "digest_of_theta",
    "formula_fingerprints",
    "recording_part",
    "settings_to_dict",
]

FOLDER = "record"
"""The name of the folder within a model's folder that holds the recording of its training."""

KIND, VERSION = "deltarule recording", 1
DOCUMENT = "recording.json"

# Of an array larger than this (in bytes), evenly spaced rows of this size in total are digested,
# since digesting all may take longer than an epoch. A change in other rows changes θ.
_MOST_BYTES = 1_000_000
# The number of rows digested of a RowSource, whose rows are computed or read one by one.
_MOST_SOURCE_ROWS = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A recorded run: its settings, history, and the state after some of its steps.

    :class:`Recorder` makes it, :func:`load_recording` reads it, and :func:`replay` uses it. Steps
    are counted from 1 over the whole training; "after step 0" is the start.

    Attributes
    ----------
    net : Network
    settings : EngineSettings
        The rule, penalties, dropout, clipping, averaging, and the seed.
    learning_rate : float
    schedule : Schedule
    batch_size, epochs : int
        The batch size, and the number of epochs planned.
    shuffle, own_order : bool
        Whether each epoch had a random order of the rows; whether the caller gave the order.
    n_rows : int
        The number of rows given, validation rows included.
    rows : array of int, or None
        The numbers of the training rows; None for all rows.
    engine : str
    threads : int or None
    begin, end : int
        The steps after ``begin`` up to ``end`` can be replayed; ``begin`` is 0 unless training
        was resumed.
    checkpoints : mapping of int to mapping of arrays
        Step → the state after it, as ``Engine.state()`` returns it; after step 0, θ alone.
    digests : mapping of int to str
        Step → the digest of θ after it.
    data : mapping of str to str
        The digests of the rows X, Y and their weights.
    where : mapping of str to str
        The environment that the bits depend on: processor, libraries, source code.
    history : History
    model : str
        The digest of the trained model's parameters; ``""`` if unknown.
    extra : mapping of str to JSON value
        Other data to store with the recording, such as the source of a table.
    seconds, recorder_seconds : float
        The training time, and the part of it spent on recording.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, train
    >>> from deltarule.training import Recorder
    >>> net, X = Network([1, 1]), np.array([[0.0], [1.0]])
    >>> recorder = Recorder()
    >>> result = train(net, X, 2 * X, epochs=3, callbacks=[recorder])
    >>> recording = recorder.recording()
    >>> recording.end, recording.steps[0], recording.theta(0).shape
    (3, 0, (2,))
    """

    net: Network
    settings: EngineSettings
    learning_rate: float
    schedule: Schedule
    batch_size: int
    epochs: int
    shuffle: bool
    own_order: bool
    n_rows: int
    rows: np.ndarray | None
    engine: str
    threads: int | None
    begin: int
    end: int
    checkpoints: Mapping[int, Mapping[str, np.ndarray]]
    digests: Mapping[int, str]
    data: Mapping[str, str]
    where: Mapping[str, str]
    history: History
    model: str = ""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    recorder_seconds: float = 0.0

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps after which there is a checkpoint, in order."""
        return tuple(sorted(self.checkpoints))

    def theta(self, step: int) -> np.ndarray:
        """Return θ after a step of :attr:`steps`, shape (p,).

        Raises
        ------
        InputError
            If there is no checkpoint after this step.
        """
        if step not in self.checkpoints:
            raise InputError(
                f"there is no checkpoint after step {step}; expected one of "
                f"{', '.join(map(str, self.steps))}; replay reaches every step"
            )
        return np.array(self.checkpoints[step]["theta"])

    @property
    def n_training_rows(self) -> int:
        """The number of training rows."""
        return self.n_rows if self.rows is None else len(self.rows)

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps of an epoch."""
        return -(-self.n_training_rows // self.batch_size)

    def place(self, step: int) -> tuple[int, int]:
        """Return the epoch of a step, from 1, and its number in the epoch, from 0.

        Raises
        ------
        InputError
            If the step was not recorded.
        """
        if not self.begin < step <= self.end:
            none = "" if self.end > self.begin else ": it took none"
            raise InputError(
                parameter="step",
                given=step,
                expected=f"a step of the recorded run, from {self.begin + 1} to {self.end}{none}",
            )
        return (step - 1) // self.steps_per_epoch + 1, (step - 1) % self.steps_per_epoch

    def rates(self, epoch: int) -> np.ndarray:
        """Return η of each step of an epoch (from 1), shape (steps_per_epoch,)."""
        from deltarule.training.steps import rates_of

        return rates_of(
            self.learning_rate,
            self.schedule,
            epoch - 1,
            self.steps_per_epoch,
            self.epochs,
            self.history,
        )

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the recording to a folder of JSON and safetensors, atomically.

        Raises
        ------
        FileError
            If the folder exists (without ``overwrite``) or cannot be written.
        """
        content = self.bundle()
        documents, arrays = content.documents, content.arrays
        write_bundle(folder, KIND, VERSION, documents, arrays, overwrite=overwrite)

    def bundle(self) -> Bundle:
        """Return the content of the folder that :meth:`save` writes."""
        document = {
            "network": self.net.to_dict(),
            "formulas": formula_fingerprints(self.net, self.settings.rule, self.schedule),
            "settings": settings_to_dict(self.settings),
            "schedule": self.schedule.spec(),
            "digests": {str(step): digest for step, digest in sorted(self.digests.items())},
        } | {name: getattr(self, name) for name in PLAIN_FIELDS}
        arrays = {
            f"{step}/{name}": value
            for step, state in self.checkpoints.items()
            for name, value in state.items()
        }
        if self.rows is not None:
            mask = np.zeros(self.n_rows, dtype=bool)
            mask[self.rows] = True
            arrays["rows"] = np.packbits(mask)
        documents = {DOCUMENT: document, "history.json": self.history.to_list()}
        return Bundle(KIND, VERSION, documents, arrays)


# The fields that JSON stores unchanged.
PLAIN_FIELDS = (
    *("learning_rate", "batch_size", "epochs", "shuffle", "own_order", "n_rows", "engine"),
    *("threads", "begin", "end", "data", "where", "model", "extra", "seconds", "recorder_seconds"),
)


def recording_part(theta: np.ndarray, recording: Recording | None = None) -> dict[str, Part]:
    """Return the recording as a part of a model's folder, for ``write_bundle``.

    Without one, an existing recording is kept if it is of the parameters ``theta``.

    Examples
    --------
    >>> recording_part(np.zeros(1))["record"].bundle is None
    True
    """
    digest = digest_of_theta(theta)

    def is_of_theta(place: Path) -> bool:
        with contextlib.suppress(FileError, InputError):
            document = read_document(place, DOCUMENT, KIND)
            return bool(entry(document, "model", str) == digest)
        return False

    return {FOLDER: Part(KIND, None if recording is None else recording.bundle(), is_of_theta)}


def formula_fingerprints(net: Network, rule: Any, schedule: Schedule) -> list[dict[str, Any]]:
    """Return fingerprints of the formulas of the network, the rule and the schedule."""
    rule = RULES.get(rule)

    # The update rule and the schedule are evaluated at fixed numbers: three steps, nine epochs.
    def steps(many: bool) -> list[np.ndarray]:
        update, theta = rule.bind(np), np.linspace(0.5, -2.0, 64 if many else 8)
        slots, thetas = rule.initial_slots(np, theta), []
        weights = np.arange(len(theta)) % 3 > 0
        for t in (1, 2, 3):
            g = np.cos(7 * t * theta) * (1 + theta)
            info = StepInfo(t, 0.01 * t, 1 / t if t < 3 else 0.75, weights)
            theta, slots = update(theta, g, slots, info)
            thetas.append(theta)
        return thetas

    def rates(many: bool) -> list[np.ndarray]:
        losses = list(1 + np.linspace(-1.0, 1.0, 8)[::-1])
        return [schedule.factors(epoch, 2, 8, losses[:epoch]) for epoch in range(9)]

    return [
        *network_fingerprints(net),
        fingerprint("rule", rule, is_user_formula(rule.formula), None, steps),
        fingerprint("schedule", schedule, is_user_formula(schedule.formula), None, rates),
    ]


def settings_to_dict(settings: EngineSettings) -> dict[str, Any]:
    """Return the settings as values that JSON can store."""
    rule = settings.rule
    assert isinstance(rule, Rule)
    fields = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return fields | {"rule": rule.spec()}


def digest_of_theta(theta: np.ndarray) -> str:
    """Return the digest of θ, which differs if any bit of θ differs.

    Examples
    --------
    >>> digest_of_theta(np.zeros(2)) == digest_of_theta(-np.zeros(2))
    False
    """
    return hashlib.sha256(np.ascontiguousarray(theta).data).hexdigest()[:32]


def digest_of_rows(batches: Batches) -> dict[str, str]:
    """Return the digests of X, Y and the weights of a training set.

    For large arrays, only evenly spaced rows are digested.

    Examples
    --------
    >>> X = np.zeros((3, 1))
    >>> first, second = (Batches(X + i, X, np.ones(3), 1, 0, False) for i in range(2))
    >>> digests = digest_of_rows(first), digest_of_rows(second)
    >>> [name for name in digests[0] if digests[0][name] != digests[1][name]]
    ['X']
    """
    digests = {
        "X": _digest(batches.X),
        "Y": _digest(batches.Y),
        "weights": _digest(batches.relative_weights),
    }
    if batches.rows is not None:
        digests["rows"] = _digest(batches.rows)
    return digests


def _digest(array: Any) -> str:
    """Return the digest of the dtype, the shape, and all or evenly spaced rows of an array."""
    digest = hashlib.sha256(f"{np.dtype(array.dtype).str} {tuple(array.shape)}".encode())
    count = len(array)
    most = _MOST_SOURCE_ROWS
    if isinstance(array, np.ndarray):
        most = max(_MOST_BYTES * max(count, 1) // max(array.nbytes, 1), 1)
    if count <= most:
        digest.update(np.ascontiguousarray(array[:count]).data)
    else:
        spread = np.linspace(0, count - 1, most).astype(np.int64)
        digest.update(np.ascontiguousarray(array[spread]).data)
    return digest.hexdigest()[:32]
