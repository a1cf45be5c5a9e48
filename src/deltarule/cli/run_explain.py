"""``deltarule explain``: derivations in a model or a step of its training, of a row or the mean."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.cli import output
from deltarule.cli.explain_selections import listed, next_of_overview, next_of_row, numbers_of
from deltarule.cli.output_paths import check_output_file, write_output
from deltarule.cli.page_states import model_step, write_page_of
from deltarule.cli.predict_command import load_table_model
from deltarule.errors import DataError, FileError, InputError, Message, Parameter
from deltarule.explain import Derivation, Explanation, explain, overview
from deltarule.explain.derivation import DEPTH, TERMS, check_limits
from deltarule.explain.number_format import DIGITS
from deltarule.explain.render.latex import document
from deltarule.explain.row_answer import row_answer
from deltarule.files import consistent_read
from deltarule.tables import Table, apply_schema, read_table
from deltarule.tabular import NetworkModel, PortfolioModel, RecordedTable, TableModel
from deltarule.tabular.replay import RowPlace, recorded_network
from deltarule.training import Recording, ReplayedStep, load_recording
from deltarule.training.recording_reading import is_recorded

__all__ = ["Question", "answer"]

# The largest number of activations (rows × nodes) that are stored in float64 with their
# derivatives. If the table has more rows, the first ones are explained.
_MOST_NUMBERS = 4_000_000
_PARTS = {"train": "a training row", "valid": "a validation row", "test": "a test row"}
_SINGLE_ROW_KINDS = {"activation", "node", "input", "column"}


@dataclasses.dataclass(frozen=True)
class Question:
    """The options of ``deltarule explain``."""

    model: Path
    data: str | None
    table: str | None
    sql: str | None
    reading: Mapping[str, Any]
    member: str | None
    step: int | None
    row: int | None
    selected: Sequence[tuple[str, str]]
    shown: Mapping[str, int]
    latex: Path | None
    html: Path | None
    force: bool
    as_json: bool
    quiet: bool
    run_recorded_sql: bool = False
    image: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class _Explained:
    """An explanation, the index of the chosen row in it (None for the mean), and facts to print."""

    explanation: Explanation
    sample: int | None
    title: str
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    step: ReplayedStep | None = None
    recording: Recording | None = None
    recorded: RecordedTable | None = None
    whole: Any = None
    """What the portfolio predicts for the row: probabilities or a number; None without one."""


def answer(question: Question) -> None:
    """Print an explanation as text or JSON, and write it as LaTeX or a page if asked."""
    places = [("--latex", question.latex, (".tex",)), ("--html", question.html, (".html", ".htm"))]
    for option, place, endings in places:
        if place is not None:
            check_output_file(place, question.force, option, endings)
    if question.image is not None and question.html is None:
        raise InputError(
            Message(Parameter("image"), " was given without ", Parameter("html")),
            parameter="image",
            expected="both, since only the page shows images",
        )
    # Wrong selections are refused before any file is read.
    selections = [(kind, text, numbers_of(kind, text)) for kind, text in question.selected]
    with output.live(question.quiet or question.as_json) as show:
        if question.step is None:
            explained = _explain_model(question, show)
        else:
            explained = _explain_step(question, show)
        show("deriving")
        parts: list[tuple[str, Derivation | Explanation]] = []
        for selection in selections:
            parts += _derivations(explained, *selection)
        if not parts and explained.sample is None:
            parts = [("overview", explained.explanation)]
        row = None
        if not parts:
            assert explained.sample is not None
            row = row_answer(explained.explanation, explained.sample, whole=explained.whole)
            parts = [("cost", explained.explanation.cost(explained.sample))]
        # A row's answer stands for its derivation, unless how much of that is shown is asked for.
        shown_parts = parts if row is None or question.shown else []
        texts = [_text(part, question.shown) for _, part in shown_parts]
        if row is not None:
            texts.insert(0, "\n".join([row.text(), "", *next_of_row(row, question.row)]))
        text = "\n\n".join(texts)
        as_dict = {name: part.to_dict(**question.shown) for name, part in parts}
        if question.latex is not None:
            latex = _latex(parts, question.shown).encode()
            write_output(question.latex, question.force, latex)
        if question.html is not None:
            show("writing the page")
            # The page is computed once, also if it must be saved elsewhere.
            with tempfile.TemporaryDirectory() as folder:
                page = Path(folder, "page.html")
                write_page_of(page, explained, selections, show, question.image)
                data = page.read_bytes()
            write_output(question.html, question.force, data)
    notes = [output.spelled(note) for note in explained.notes]
    written = [str(place) for _, place, _ in places if place is not None]
    if question.as_json:
        sample = {} if explained.sample is None else {"sample": explained.sample}
        fields = {
            "model": str(question.model),
            **explained.facts,
            **sample,
            "notes": notes,
            "written": written,
        }
        answered = {} if row is None else {"answer": row.to_dict()}
        output.json_object({**fields, **answered, "derivations": as_dict})
    elif not question.quiet:
        below = explained.sample is not None and bool(shown_parts)
        named = f"; below it is sample {explained.sample}" if below else ""
        title = f"{question.model}: {explained.title}{named}"
        title = textwrap.fill(title, 100, break_long_words=False, break_on_hyphens=False)
        output.say(f"{title}\n\n{text}")
        output.notes(notes)
        for name in written:
            output.say(f"\nWrote {name}.")


def _explain_step(question: Question, show: Any) -> _Explained:
    """Explain a step of the recorded training, or a row at the parameters before the step."""
    if question.table is not None or question.sql is not None:
        given = Parameter("table" if question.sql is None else "sql")
        recording_says = ", whose recording says how its table is read"
        raise InputError(
            Message(given, " was given with ", Parameter("step"), recording_says),
            parameter=given.name,
            expected="at most DATA, where it was moved to",
            hint=Message("leave ", given, " out"),
        )
    step = question.step
    assert step is not None
    if step < 1:
        raise InputError(
            parameter="step", given=step, expected="a step of the recorded training, from 1"
        )
    show("reading the recording")
    folder = question.model
    model, recording = consistent_read(
        folder,
        lambda: (recorded_network(folder, load_table_model(folder)), load_recording(folder)),
    )
    _refuse_member(question)
    recording.place(step)
    show("reading the table")
    recorded = RecordedTable.of(
        model, recording, question.data, run_recorded_sql=question.run_recorded_sql
    )
    place = None if question.row is None else recorded.place(question.row)
    show(f"replaying step {step} of {recorded.recording.end}")
    replayed = recorded.replay(step)
    return _explain_row_of_step(recorded, replayed, question.row, place)


def _explain_row_of_step(
    recorded: RecordedTable, step: ReplayedStep, row: int | None, place: RowPlace | None
) -> _Explained:
    recording, batch = recorded.recording, step.batch
    rows = [] if step.source_rows is None else step.source_rows.tolist()
    facts: dict[str, Any] = {
        "step": step.step,
        "epoch": step.epoch,
        "batch": step.index + 1,
        "learning_rate": step.learning_rate,
        "engine": step.engine,
        "dtype": str(step.dtype),
        "cost": step.cost,
        "verified": step.verified,
        "rows": rows,
    }
    title = (
        f"step {step.step} of {recording.end} (epoch {step.epoch}, batch {step.index + 1} of "
        f"{recording.steps_per_epoch}), {len(batch.rows)} rows, learning rate "
        f"{step.learning_rate:.6g}, {step.engine} engine, {step.dtype}"
    )
    if row is None:
        return _Explained(explain(step), None, title, facts, step.notes, step, recording, recorded)
    assert place is not None  # a row has been located
    label = _label(recorded.table, row)
    if place.part == "train" and place.number in batch.rows:
        sample = int(np.flatnonzero(batch.rows == place.number)[0])
        facts |= {"row": row, "part": "train", "in_batch": True}
        title += f"; {label} is one of them"
        return _Explained(
            explain(step), sample, title, facts, step.notes, step, recording, recorded
        )
    if not place.part:
        raise DataError(
            f"{label} has no target, and was left out of the training; expected a row with a known "
            "target, since a cost compares with one"
        )
    where = _PARTS[place.part]
    own_step = recorded.step_of(row, step.epoch)
    if own_step is not None:
        where += f", whose turn in epoch {step.epoch} is step {own_step}"
    note = (
        f"{label} is not in the batch of step {step.step}: it is {where}. It is explained alone, "
        "at the parameters before the step, and has no part in the step's gradient"
    )
    facts |= {"row": row, "part": place.part, "in_batch": False}
    typed = recorded.parts[place.part].take([place.number])
    alone = explain(recorded.model_at(step.before["theta"]), typed)
    title = f"{label} alone, at the parameters before step {step.step} of {recording.end}"
    subject = dataclasses.replace(alone.subject, part_of=recording.n_training_rows)
    notes = (note, *step.notes)
    return _Explained(Explanation(subject), 0, title, facts, notes, step, recording, recorded)


def _explain_model(question: Question, show: Any) -> _Explained:
    """Explain the trained model on the rows of a table."""
    folder = question.model
    stored, recording = consistent_read(
        folder,
        lambda: (
            load_table_model(folder),
            load_recording(folder) if is_recorded(folder) else None,
        ),
    )
    model, what, which = _network_of(stored, question)
    show("reading the table")
    recorded = None
    table = _table(question, model, recording)
    if recording is not None:
        recorded = _with_table(model, recording, table)
    row = question.row
    if row is not None and not 1 <= row <= len(table):
        raise InputError(
            parameter="row", given=row, expected=f"a row of the table, from 1 to {len(table)}"
        )
    typed = apply_schema(model.schema, table)
    sample = None
    if row is not None:
        matches = np.flatnonzero(typed.rows == row - 1)
        if not matches.size:
            raise DataError(
                f"{_label(table, row)} has no target; expected a row with a known target, since a "
                "cost compares with one"
            )
        sample = int(matches[0])
    notes = [*typed.notes, *model.notes(typed)]
    if isinstance(stored, PortfolioModel):
        notes.append("'deltarule distill' trains one network to predict what all of them predict")
    most = max(_MOST_NUMBERS // sum(model.model.net.widths), 1)
    when = "" if recording is None else f", after step {model_step(recording)} of its training"
    title = f"{what} on {len(typed):,} rows{when}"
    n_rows = len(typed)
    if len(typed) > most:
        kept = np.arange(most)
        if sample is not None and sample >= most:
            kept[-1], sample = sample, most - 1
        notes.append(
            f"of {len(typed):,} rows the first {most:,} are explained, and the mean is theirs; "
            "give a shorter table for other rows"
        )
        typed = typed.take(kept)
    facts: dict[str, Any] = {"step": None, "rows": len(typed), **which}
    if row is not None:
        facts["row"] = row
        title = f"{what}, {_label(table, row)} of {len(typed):,}{when}"
    whole = None
    if isinstance(stored, PortfolioModel) and sample is not None:
        whole = stored.outputs(typed.take([sample]))[0]
    explanation = explain(model, typed)
    if len(typed) < n_rows:
        explanation = Explanation(dataclasses.replace(explanation.subject, part_of=n_rows))
    given = (title, facts, tuple(notes), None, recording, recorded, whole)
    return _Explained(explanation, sample, *given)


def _network_of(stored: TableModel, question: Question) -> tuple[NetworkModel, str, dict[str, Any]]:
    """Return the network that is explained, what it is in words, and facts on which it is."""
    if isinstance(stored, PortfolioModel):
        chosen = stored.member(question.member)
        name, share, count = chosen.configuration.name, chosen.weight, len(chosen.models)
        what = f"network 1 of {count} of the member {name!r} (weight {share:.2f} in the portfolio)"
        return stored.network(question.member), what, {"member": name, "network": 1}
    assert isinstance(stored, NetworkModel)
    _refuse_member(question)
    return stored, "the trained model", {}


def _refuse_member(question: Question) -> None:
    if question.member is not None:
        raise InputError(
            Message(Parameter("member"), " was given for the model of a single network"),
            parameter="member",
            given=question.member,
            expected="a portfolio, which has members",
            hint=Message("leave ", Parameter("member"), " out"),
        )


def _with_table(model: NetworkModel, recording: Recording, table: Table) -> RecordedTable | None:
    """Return the recording with its table; None if the table is not that of the training."""
    with contextlib.suppress(FileError, DataError, InputError):
        return RecordedTable.of(model, recording, table)
    return None


def _table(question: Question, model: NetworkModel, recording: Recording | None) -> Table:
    if question.data is not None or question.sql is not None:
        return read_table(
            question.data,
            table=question.table,
            sql=question.sql,
            na=model.schema.na,
            number_formats=model.schema.number_formats,
            **question.reading,
        )
    if recording is None:
        raise InputError(
            "DATA is missing; expected a file, or a model of 'fit --record', which knows where its "
            "table is; see 'deltarule explain --help'"
        )
    return RecordedTable.of(model, recording, run_recorded_sql=question.run_recorded_sql).table


def _label(table: Table, row: int) -> str:
    """Name a row by its number, and by its line in the file if that differs."""
    where = table.where(row - 1)
    return f"row {row}" if where == f"row {row}" else f"row {row} ({where})"


def _derivations(
    explained: _Explained, kind: str, text: str, numbers: tuple[int, ...]
) -> list[tuple[str, Derivation]]:
    """Return the derivations of a selection by name; in a step, with the parameter's update."""
    explanation, sample = explained.explanation, explained.sample
    if kind in _SINGLE_ROW_KINDS and sample is None:
        raise InputError(
            Message(Parameter(kind), " is about one row"),
            parameter=kind,
            expected=Message(Parameter("row"), " R beside it, the number of a row of the table"),
        )
    if kind == "input":
        assert sample is not None
        return [(f"input {text}", explanation.input(_input(explained, text), sample))]
    if kind == "column":
        assert sample is not None
        return [(f"column {text}", explanation.column(_column(explained, text), sample))]
    name = f"{kind} {','.join(map(str, numbers))}"
    try:
        parts = [(name, getattr(explanation, kind)(*numbers, sample))]
    except InputError as error:
        prefixed = error.prefixed(Parameter(kind), f" {text}: ")
        prefixed.parameter, prefixed.given = kind, text
        raise prefixed from None
    if kind in ("weight", "bias") and explained.facts.get("in_batch", explained.step is not None):
        update = getattr(explanation, f"update_{kind}")
        parts.append((f"update of {name}", update(*numbers)))
    return parts


def _input(explained: _Explained, text: str) -> int:
    names = explained.explanation.subject.names.inputs
    if text in names:
        return int(names.index(text))
    if text.isascii() and text.isdecimal() and int(text) < len(names):
        return int(text)
    raise InputError(
        parameter="input",
        given=text,
        expected=f"one of {listed(names)}, or a number from 0 to {len(names) - 1}",
    )


def _column(explained: _Explained, text: str) -> str:
    names = [column.name for column in explained.explanation.subject.columns]
    if text not in names:
        raise InputError(parameter="column", given=text, expected=f"one of {listed(names)}")
    return text


def _text(part: Derivation | Explanation, shown: Mapping[str, int]) -> str:
    if isinstance(part, Derivation):
        given: dict[str, Any] = dict(shown)
        return part.text(**given, more="more: --depth {}")
    limits = {"depth": DEPTH, "terms": TERMS, "digits": DIGITS} | dict(shown)
    return overview.text(part, *check_limits(**limits), hint=next_of_overview)


def _latex(parts: Sequence[tuple[str, Derivation | Explanation]], shown: Mapping[str, Any]) -> str:
    if len(parts) == 1:
        return parts[0][1].latex(**shown)
    return document([part.latex(standalone=False, **shown) for _, part in parts])
