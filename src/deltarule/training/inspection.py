"""What a model's files say, without the model: no network is made, and no formula is needed."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule._version import __version__
from deltarule.errors import FileError, InputError, printable
from deltarule.files import consistent_read
from deltarule.files.bundle_reading import read_document, read_outline
from deltarule.files.dataclass_fields import entry, field_value
from deltarule.files.reading_errors import reading_content
from deltarule.files.seals import Seal, read_extra, read_seal
from deltarule.training.extra_files import changed_files, listed, unnamed_files
from deltarule.training.model import KIND, PORTFOLIO_VERSION
from deltarule.training.network_lines import counted, network_line, saved_networks
from deltarule.training.recording import FOLDER as RECORDING
from deltarule.training.recording_reading import is_recorded
from deltarule.training.report_scores import identity_differences, score_differences
from deltarule.training.training_tables import training_table, training_table_text

__all__ = [
    "REPORT",
    "ModelSummary",
    "distilled_text",
    "extras_warnings",
    "inspect_model",
    "member_text",
    "model_checksums",
    "model_fingerprint",
    "saved_report",
    "training_table",
    "training_table_text",
]

_SAVED = "saved with the model"
REPORT = "report.html"
"""The name of the report beside a model."""

# A report of a table with many columns has a megabyte; a larger file is no report.
_MOST_REPORT = 1 << 26
# On which rows a distilled network was compared with its portfolio; an earlier version has None.
_ROWS_OF = {
    "test": ("test rows", ", which neither was trained on,"),
    "held_out": ("rows", ", which were held out of the distilling,"),
    "train": ("rows", ", which it was distilled on,"),
    None: ("rows", ","),
}
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
        A SHA-256 of the format and of the checksums of all files but ``times.json``, which says
        how long the training took, and what was saved beside the model, such as its report:
        models with the same fingerprint predict the same, bit for bit, and a training that is
        repeated gives the same. Of a model of an earlier version, without ``times.json``, it is
        ``manifest``.
    manifest : str
        The SHA-256 of ``manifest.json``, which has the checksums of all files, with their times
        and the report: it differs from one training to the next.
    extras : mapping of str to str
        Files that were saved with the model and are no part of it, such as its report:
        ``"as written"``, ``"changed"`` or ``"missing"``: as the checksums of ``manifest.json`` say,
        which whoever edits a file can make fit.
    extras_sha256 : mapping of str to str
        The SHA-256 of these files as they are now, to be compared with one noted elsewhere: the
        fingerprint does not cover them.
    unnamed : tuple of str
        What else is in the folder. ``manifest.json`` does not name it, so no checksum covers it.
    differences : tuple of str
        The scores that the report shows otherwise than the model holds them, or not at all, and
        the fingerprint and the table's checksum where it shows another.
    trained_on : mapping of str to JSON value
        The table of the training: ``source``, its name, ``rows``, and ``sha256``, the checksum of
        its cells as the model reads them, or None if it is not known. ``row_digests`` says how
        many digests of rows the model holds. ``further`` has the same three of each table that it
        was trained on later, by an update or in distilling. Of no table it is empty.
    distilled : mapping of str to JSON value
        Of a network that was distilled from a portfolio: how far it is from that (``rows``,
        ``same_class`` or None, ``largest_difference``), on which rows (``part``: ``"test"`` of the
        portfolio's test rows, ``"held_out"`` of rows held out of the distilling, ``"train"`` of
        those that it learned from, or None), and ``portfolio``, the fingerprint of its files or
        None. Otherwise it is empty.
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
    manifest: str = ""
    extras: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extras_sha256: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unnamed: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    trained_on: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    distilled: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it was saved with the model, such as a changed report."""
        unnamed = unnamed_files(self.unnamed)
        return (*changed_files(self.extras, _SAVED), *unnamed, *self.differences)

    def to_dict(self) -> dict[str, Any]:
        """Return it as an object that JSON can hold."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        form = "one file" if self.is_file else "a folder"
        history = f"; {self.epochs:,} epochs" if self.epochs else ""
        recorded = ", with a recording of its training" if self.recorded else ""
        lines = [
            f"{printable(self.path)}: {form}, format {self.version}{recorded}",
            *(f"warning: {warning}" for warning in self.warnings),
            f"{self.parameters:,} parameters in {self.array_bytes:,} bytes of arrays{history}",
            *_some("networks", self.networks),
        ]
        if self.task is not None:
            lines.append(f"{self.task} of {self.target!r} by {len(self.columns)} columns")
            lines += _some("columns", self.columns)
            lines += _some("classes", tuple(map(printable, self.classes)))
        if self.trained_on:
            lines.append(f"trained on: {training_table_text(self.trained_on)}")
        if self.distilled:
            lines.append(f"distilled: {distilled_text(self.distilled)}")
        for part, scores in self.report.get("scores", {}).items():
            shown = ", ".join(f"{name} {_shown(value)}" for name, value in scores.items())
            lines.append(f"scores, {printable(part)}: {shown}")
        changed = ", ".join(f"{name} {value!r}" for name, value in self.settings.items())
        lines += [f"settings: {printable(changed)}"] if changed else []
        lines += [f"sha256 {digest[:16]}…  {name}" for name, digest in self.files.items()]
        for name, state in self.extras.items():
            digest = self.extras_sha256.get(name)
            lines.append(f"{state}: {printable(name)}" + f", sha256 {digest}" * bool(digest))
        covered = " of the model and of these" if self.extras else " of the model"
        lines += [
            f"manifest.json, with the checksums of all files{covered}: sha256 {self.manifest}",
            f"fingerprint of the model, {_without_times(self)}: sha256 {self.fingerprint}",
            *_what_checksums_say(bool(self.extras), bool(self.trained_on)),
        ]
        return "\n".join(lines)


def member_text(member: Mapping[str, Any]) -> str:
    r"""Return in words which network of a portfolio was exported.

    Examples
    --------
    >>> print(member_text({"name": "selu_deep", "networks": 24}).replace("; ", "\n"))
    one of the portfolio's 24 networks, the first of 'selu_deep'
    compared with this network, and not with the portfolio, which predicts otherwise
    'deltarule distill' makes one network that follows it
    """
    return (
        f"one of the portfolio's {int(member['networks']):,} networks, the first of "
        f"{str(member['name'])!r}; compared with this network, and not with the portfolio, which "
        "predicts otherwise; 'deltarule distill' makes one network that follows it"
    )


def distilled_text(distilled: Mapping[str, Any]) -> str:
    r"""Return how far a distilled network is from its portfolio as text.

    Examples
    --------
    >>> found = {"rows": 80, "same_class": 79, "largest_difference": 0.057, "part": "test"}
    >>> print(distilled_text(found).replace(", ", ",\n"))
    the class of its portfolio in 79 of 80 test rows,
    which neither was trained on,
    probabilities differ by at most 5.7 percentage points
    >>> distilled_text({"rows": 90, "same_class": None, "largest_difference": 3.2})
    'predictions of 90 rows differ from those of its portfolio by at most 3.2'
    """
    gap = distilled["largest_difference"]
    what, which = _ROWS_OF.get(distilled.get("part"), _ROWS_OF[None])
    if distilled["same_class"] is None:
        which = "" if which == "," else which
        said = (
            f"predictions of {distilled['rows']:,} {what}{which} differ from those of its "
            f"portfolio by at most {gap:.3g}"
        )
    else:
        said = (
            f"the class of its portfolio in {distilled['same_class']:,} of {distilled['rows']:,} "
            f"{what}{which} probabilities differ by at most {100 * gap:.2g} percentage points"
        )
    portfolio = distilled.get("portfolio")
    return f"{said}; the portfolio has the fingerprint sha256 {portfolio}" if portfolio else said


def _what_checksums_say(with_extras: bool, with_table: bool) -> list[str]:
    """Return what the checksums prove, and of what."""
    lines = [
        f"Checked by deltarule {__version__}. A checksum is not a signature: who can change a",
        "file can change its checksum too. Compare the fingerprint with one noted elsewhere:",
        "if it is the same, so is the model.",
    ]
    if with_extras:
        lines += [
            '"As written" says no more than that a file fits manifest.json. The fingerprint does',
            "not cover the report: compare its own sha256, or that of manifest.json, which covers",
            "all files that it names, with one noted elsewhere.",
        ]
    if with_table:
        lines += [
            '"Trained on" is what the files say. With it, "deltarule evaluate" computes the',
            "scores of the test rows and the report again, and a repeated training, with",
            "the same file name and settings, has the same fingerprint.",
        ]
    return lines


def _without_times(summary: ModelSummary) -> str:
    if summary.fingerprint == summary.manifest:
        return "of manifest.json"
    return "which a repeated training has again, of all but times and report"


def _some(what: str, items: tuple[str, ...]) -> list[str]:
    return [f"{what}: {listed(items)}"] if items else []


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
        (manifest, documents, specs), seal = consistent_read(
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
            networks=counted(map(network_line, saved_networks(data))),
            parameters=sum(
                math.prod(spec.shape) for name, spec in specs.items() if _is_block(name)
            ),
            array_bytes=sum(spec.stop - spec.start for spec in specs.values()),
            epochs=len(field_value("history.json", list, documents.get("history.json", []))),
            recorded=is_recorded(Path(folder)),
            fingerprint=seal.fingerprint,
            manifest=seal.manifest,
            extras=seal.extras,
            extras_sha256=seal.sha256,
            unnamed=_unnamed(folder, seal),
            differences=_differences(folder, seal, extra),
            **of_table,
        )


def model_fingerprint(folder: str | os.PathLike[str]) -> str:
    """Return the fingerprint of a model's files, as :func:`inspect_model` shows it.

    It is ``""`` if the model cannot be read.
    """
    return model_checksums(folder)[0]


def model_checksums(folder: str | os.PathLike[str]) -> tuple[str, dict[str, str]]:
    """Return a model's fingerprint, and the SHA-256 of each file that stands beside it.

    Both are as :class:`ModelSummary` has them; ``""`` and nothing if the model cannot be read.
    """
    try:
        seal = read_seal(folder, KIND)
    except FileError:
        return "", {}
    return seal.fingerprint, seal.sha256


def extras_warnings(folder: str | os.PathLike[str], *, unnamed: bool = False) -> tuple[str, ...]:
    """Return what is not as it was saved with a model, as :attr:`ModelSummary.warnings` has it.

    There is nothing if the model cannot be read. ``unnamed`` asks for files that its manifest does
    not name, too.
    """
    try:
        seal = read_seal(folder, KIND)
        with_report = REPORT in (*seal.extras, *seal.unnamed)
        data = read_document(folder, "model.json", KIND) if with_report else {}
    except FileError:
        return ()
    extra = data.get("extra") if isinstance(data, Mapping) else None
    differences = _differences(folder, seal, extra) if isinstance(extra, Mapping) else ()
    others = unnamed_files(_unnamed(folder, seal)) if unnamed else ()
    return (*changed_files(seal.extras, _SAVED), *others, *differences)


def saved_report(folder: str | os.PathLike[str]) -> bytes | None:
    """Return the report beside a model; None if there is none, or it is no plain file."""
    return read_extra(folder, KIND, REPORT, _MOST_REPORT)


def _unnamed(folder: str | os.PathLike[str], seal: Seal) -> tuple[str, ...]:
    """Return what a model's folder holds beside the model and the recording of its training."""
    own = {RECORDING} if is_recorded(Path(folder)) else set[str]()
    return tuple(name for name in seal.unnamed if name not in own)


def _differences(folder: str | os.PathLike[str], seal: Seal, extra: _Object) -> tuple[str, ...]:
    """Return what the report beside a model shows otherwise than the model holds it."""
    report = extra.get("report")
    if REPORT not in (*seal.extras, *seal.unnamed) or not isinstance(report, Mapping):
        return ()
    page = saved_report(folder)
    if page is None:
        return ()
    schema = extra.get("schema")
    table = training_table(schema if isinstance(schema, Mapping) else {}, report)
    text = page.decode("utf-8", "replace")
    return (
        *score_differences(text, report),
        *identity_differences(text, seal.fingerprint, table["sha256"] or ""),
    )


def _is_block(name: str) -> bool:
    """Return whether an array is a block of parameters, such as ``W1`` or ``2.0.b1``."""
    block = name.rpartition(".")[2]
    return block[:1] in ("W", "b") and block[1:].isdecimal()


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
        "trained_on": training_table(schema, report),
        "distilled": _distilled(report),
    }


def _distilled(report: _Object) -> dict[str, Any]:
    if "distilled" not in report:
        return {}
    saved = entry(report, "distilled", Mapping[str, Any])
    return {
        "rows": entry(saved, "rows", int),
        "same_class": entry(saved, "same_class", int | None),
        "largest_difference": entry(saved, "largest_difference", float),
        "part": field_value("part", str | None, saved.get("part")),
        "portfolio": field_value("portfolio", str | None, saved.get("portfolio")),
    }
