"""What a model's files say, without the model: no network is made, and no formula is needed."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deltarule._version import __version__
from deltarule.errors import FileError, InputError, printable
from deltarule.files import consistent_read
from deltarule.files.bundle_reading import read_outline, read_seal
from deltarule.files.dataclass_fields import entry, field_value
from deltarule.files.reading_errors import reading_content
from deltarule.training.model import KIND, PORTFOLIO_VERSION
from deltarule.training.recording_reading import is_recorded

__all__ = ["ModelSummary", "inspect_model", "model_fingerprint"]

_MOST_SHOWN = 12
_Object = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class ModelSummary:
    """What a model's files say.

    Attributes
    ----------
    path : str
    is_file : bool
        Whether it is one file, and not a folder.
    version : int
        Of the format: 1 for one network, 2 for a portfolio.
    files : mapping of str to str
        The SHA-256 of each file, which was found to be right.
    networks : tuple of str
        The different networks, how many there are of each: widths, activations, loss and type.
    parameters : int
        Of all networks together.
    array_bytes : int
    epochs : int
        In the history of a single network.
    recorded : bool
        Whether there is a recording of the training.
    columns : tuple of str
        Of the table: the name and the kind of each column; none if there is no table.
    target, task : str or None
    classes : tuple of str
    report : mapping of str to JSON value
        The numbers of rows and the scores, as they were saved.
    settings : mapping of str to JSON value
    fingerprint : str
        The SHA-256 of ``manifest.json``, which has the checksums of all other files: models with
        the same fingerprint are the same, byte for byte.
    extras : mapping of str to str
        Files that were saved with the model and are no part of it, such as its report:
        ``"as written"``, ``"changed"`` or ``"missing"``.
    """

    path: str
    is_file: bool
    version: int
    files: Mapping[str, str]
    networks: tuple[str, ...]
    parameters: int
    array_bytes: int
    epochs: int
    recorded: bool
    columns: tuple[str, ...] = ()
    target: str | None = None
    task: str | None = None
    classes: tuple[str, ...] = ()
    report: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fingerprint: str = ""
    extras: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as an object that JSON can hold."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        form = "one file" if self.is_file else "a folder"
        history = f"; {self.epochs:,} epochs" if self.epochs else ""
        recorded = ", with a recording of its training" if self.recorded else ""
        lines = [
            f"{printable(self.path)}: {form}, format {self.version}{recorded}",
            *(
                f"warning: {printable(name)} is {state}: it is not what was saved with the model"
                for name, state in self.extras.items()
                if state != "as written"
            ),
            f"{self.parameters:,} parameters in {self.array_bytes:,} bytes of arrays{history}",
            *_some("networks", self.networks),
        ]
        if self.task is not None:
            lines.append(f"{self.task} of {self.target!r} by {len(self.columns)} columns")
            lines += _some("columns", self.columns)
            lines += _some("classes", tuple(map(printable, self.classes)))
        for part, scores in self.report.get("scores", {}).items():
            shown = ", ".join(f"{name} {_shown(value)}" for name, value in scores.items())
            lines.append(f"scores, {printable(part)}: {shown}")
        changed = ", ".join(f"{name} {value!r}" for name, value in self.settings.items())
        lines += [f"settings: {printable(changed)}"] if changed else []
        lines += [f"sha256 {digest[:16]}…  {name}" for name, digest in self.files.items()]
        lines += [f"{state}: {printable(name)}" for name, state in self.extras.items()]
        lines += [
            f"fingerprint, of manifest.json: sha256 {self.fingerprint}",
            f"Checked by deltarule {__version__}. A checksum is not a signature: who can change a",
            "file can change its checksum too. Compare the fingerprint with one noted elsewhere.",
        ]
        return "\n".join(lines)


def _some(what: str, items: tuple[str, ...]) -> list[str]:
    shown = ", ".join(items[:_MOST_SHOWN])
    more = f", … and {len(items) - _MOST_SHOWN} more" if len(items) > _MOST_SHOWN else ""
    return [f"{what}: {shown}{more}"] if items else []


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def inspect_model(folder: str | os.PathLike[str]) -> ModelSummary:
    """Return what a model's files say, after their checksums were found to be right.

    Nothing in them is executed or made: a model of formulas that are not registered here can be
    inspected, and so can one of whoever sent it. Whether it can be used is for loading to say.

    Parameters
    ----------
    folder : path
        A folder, or a ``.deltarule`` file.

    Raises
    ------
    ModelFileError
        If the files are not those of a model, or not what was written.

    Examples
    --------
    >>> import tempfile
    >>> from deltarule import Model, Network, inspect_model, save_model
    >>> net = Network([2, 3, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(folder + "/m.deltarule", Model(net, net.initial(0)))
    ...     summary = inspect_model(folder + "/m.deltarule")
    >>> summary.networks, summary.parameters
    (('2-3-1, relu, identity, squared_error, float64',), 13)
    """
    with reading_content(folder, "model"):
        (manifest, documents, specs), (fingerprint, extras) = consistent_read(
            Path(folder),
            lambda: (read_outline(folder, KIND, PORTFOLIO_VERSION), read_seal(folder, KIND)),
        )
        data = entry(documents, "model.json", Mapping[str, Any])
        extra = entry(data, "extra", Mapping[str, Any])
        of_table = _of_table(extra) if "schema" in extra else {}
        return ModelSummary(
            path=str(folder),
            is_file=Path(folder).is_file(),
            version=manifest["version"],
            files=dict(manifest["sha256"]),
            networks=_counted(map(_line, _networks(data))),
            parameters=sum(
                math.prod(spec.shape) for name, spec in specs.items() if _is_block(name)
            ),
            array_bytes=sum(spec.stop - spec.start for spec in specs.values()),
            epochs=len(field_value("history.json", list, documents.get("history.json", []))),
            recorded=is_recorded(Path(folder)),
            fingerprint=fingerprint,
            extras=extras,
            **of_table,
        )


def model_fingerprint(folder: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a model's manifest, as :func:`inspect_model` shows it.

    It is ``""`` if the model cannot be read.
    """
    try:
        return read_seal(folder, KIND)[0]
    except FileError:
        return ""


def _is_block(name: str) -> bool:
    """Return whether an array is a block of parameters, such as ``W1`` or ``2.0.b1``."""
    block = name.rpartition(".")[2]
    return block[:1] in ("W", "b") and block[1:].isdecimal()


def _networks(data: _Object) -> list[_Object]:
    if "portfolio" not in data:
        return [entry(data, "network", Mapping[str, Any])]
    members = entry(entry(data, "portfolio", Mapping[str, Any]), "members", list)
    return [
        entry(each, "network", Mapping[str, Any])
        for member in members
        for each in entry(member, "networks", list)
    ]


def _counted(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the different lines, with how often each is there."""
    found = collections.Counter(lines)
    return tuple(line if count == 1 else f"{count} × {line}" for line, count in found.items())


def _line(network: _Object) -> str:
    widths = "-".join(map(str, entry(network, "widths", tuple[int, ...])))
    hidden = field_value("activation", list, network.get("activation", []))
    ends = (_name(network.get(name)) for name in ("output_activation", "loss"))
    formulas = (*dict.fromkeys(map(_name, hidden)), *ends)
    return ", ".join([widths, *formulas, printable(str(network.get("dtype", "float64")))])


def _name(spec: Any) -> str:
    """Return the name of a formula, and its parameters, as the file has them."""
    if isinstance(spec, Mapping):
        rest = ", ".join(f"{name}={value!r}" for name, value in spec.items() if name != "name")
        return printable(f"{spec.get('name')}({rest})")
    return printable(str(spec))


def _of_table(extra: _Object) -> dict[str, Any]:
    schema, report = (entry(extra, name, Mapping[str, Any]) for name in ("schema", "report"))
    target = entry(schema, "target", Mapping[str, Any] | None)
    columns = entry(schema, "columns", list)
    scores = entry(report, "scores", Mapping[str, Mapping[str, Any]])
    if target is None:
        raise InputError("it has no target")
    return {
        "columns": tuple(
            f"{printable(entry(each, 'name', str))} ({printable(entry(each, 'kind', str))})"
            for each in columns
        ),
        "target": printable(entry(target, "name", str)),
        "task": entry(schema, "task", str),
        "classes": entry(schema, "classes", tuple[str, ...]),
        "report": {"rows": entry(report, "rows", Mapping[str, int]), "scores": scores},
        "settings": entry(extra, "settings", Mapping[str, Any]),
    }
