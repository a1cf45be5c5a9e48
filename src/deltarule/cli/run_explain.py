"""``deltarule explain``: derivations in a model or a step of its training, of a row or the mean."""

from __future__ import annotations

import contextlib
import dataclasses
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.cli import output
from deltarule.cli.explain_example import explain_example
from deltarule.cli.explain_parts import derivations_of, latex_of, text_of
from deltarule.cli.explain_question import Explained, Question
from deltarule.cli.explain_row import next_of_row, wants_answer_only
from deltarule.cli.explain_rows import check_rows_question, list_rows
from deltarule.cli.explain_sample import explain_sample
from deltarule.cli.explain_selections import numbers_of
from deltarule.cli.output_paths import changed_extras, check_output_file, write_output
from deltarule.cli.page_states import model_step, write_page_of
from deltarule.cli.run_predict import load_table_model, read_rows
from deltarule.errors import DataError, FileError, InputError, Message, Parameter
from deltarule.explain import Derivation, Explanation, explain
from deltarule.explain.page.images import suggested_image
from deltarule.explain.row_answer import RowAnswer, model_answer, row_answer
from deltarule.explain.training_parts import knows_its_table, other_table, training_parts
from deltarule.files import consistent_read
from deltarule.files.scratch import scratch_folder
from deltarule.tables import Table, apply_schema
from deltarule.tables.beyond_training import beyond_training
from deltarule.tabular import NetworkModel, PortfolioModel, RecordedTable, TableModel
from deltarule.tabular.replay import RowPlace, recorded_network
from deltarule.training import Recording, ReplayedStep, load_recording
from deltarule.training.recording_reading import is_recorded

__all__ = ["Question", "answer"]

# The largest number of activations (rows × nodes) that are stored in float64 with their
# derivatives. If the table has more rows, the first ones are explained.
_MOST_NUMBERS = 4_000_000
_PARTS = {"train": "a training row", "valid": "a validation row", "test": "a test row"}


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
    if question.rows is not None and question.example is None:
        check_rows_question(question)
        with output.live(question.quiet or question.as_json) as show:
            stored, _, table = _opened(question, show)
        list_rows(question, stored, table)
        if question.model is not None and not (question.as_json or question.quiet):
            output.notes(changed_extras(question.model))
        return
    # Wrong selections are refused before any file is read.
    selections = [(kind, text, numbers_of(kind, text)) for kind, text in question.selected]
    with output.live(question.quiet or question.as_json) as show:
        if question.example is not None:
            explained = explain_example(question)
        elif question.step is None:
            explained = _explain_model(question, show)
        else:
            explained = _explain_step(question, show)
        show("deriving")
        parts: list[tuple[str, Derivation | Explanation]] = []
        for selection in selections:
            parts += derivations_of(explained, *selection)
        row = None
        if not parts:
            row, parts = _answer_or_overview(explained)
        # A row's answer stands for its derivation, unless the depth of that is asked for.
        shown_parts = parts if row is None or "depth" in question.shown else []
        texts = [text_of(part, question.shown) for _, part in shown_parts]
        if row is not None:
            limits = {name: n for name, n in question.shown.items() if name != "depth"}
            hints = next_of_row(row, question, explained.part)
            texts.insert(0, "\n".join([row.text(**limits), *([""] if hints else []), *hints]))
        text = "\n\n".join(texts)
        as_dict = {name: part.to_dict(**question.shown) for name, part in parts}
        if question.latex is not None:
            latex = latex_of(parts, question.shown).encode()
            write_output(question.latex, question.force, latex)
        if question.html is not None:
            show("writing the page")
            # The page is computed once, also if it must be saved elsewhere.
            with scratch_folder() as folder:
                page = Path(folder, "page.html")
                write_page_of(page, explained, selections, show, question.image)
                data = page.read_bytes()
            write_output(question.html, question.force, data)
    notes = [output.spelled(note) for note in explained.notes]
    if question.html is not None and question.image is None and explained.explanation is not None:
        side = suggested_image(explained.explanation.subject)
        if side is not None:
            notes.append(
                f"the {side * side} inputs may be the pixels of an image: with "
                f"--image {side}x{side} the page shows them and their weights as images"
            )
    if question.model is not None:
        notes += changed_extras(question.model)
    written = [str(place) for _, place, _ in places if place is not None]
    if question.as_json:
        sample = {} if explained.sample is None else {"sample": explained.sample}
        fields = {
            "model": None if question.model is None else str(question.model),
            **explained.facts,
            **sample,
            "notes": notes,
            "written": written,
        }
        of_row = {} if row is None else {"answer": row.to_dict()}
        output.json_object({**fields, **of_row, "derivations": as_dict})
    elif not question.quiet:
        below = explained.sample is not None and bool(shown_parts)
        named = f"; in the derivation it is sample {explained.sample}, from 0" if below else ""
        name = "" if question.model is None else f"{question.model}: "
        title = f"{name}{explained.title}{named}"
        title = textwrap.fill(title, 100, break_long_words=False, break_on_hyphens=False)
        output.say(f"{title}\n\n{text}")
        output.notes(notes)
        for name in written:
            output.say(f"\nWrote {name}.")


def _answer_or_overview(
    explained: Explained,
) -> tuple[RowAnswer | None, list[tuple[str, Derivation | Explanation]]]:
    """Return what is shown where nothing is selected: of a row, or of the mean."""
    explanation, sample = explained.explanation, explained.sample
    if explanation is None:
        return explained.answer, []
    if sample is None:
        return None, [("overview", explanation)]
    cost: list[tuple[str, Derivation | Explanation]] = [("cost", explanation.cost(sample))]
    if explanation.subject.target is None:  # no table, in whose units a row could be answered
        return None, cost
    return explained.answer or row_answer(explanation, sample), cost


def _explain_step(question: Question, show: Any) -> Explained:
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
    assert folder is not None  # without one there is an example
    model, recording = consistent_read(
        folder,
        lambda: (recorded_network(folder, load_table_model(folder)), load_recording(folder)),
    )
    _refuse_member(question, model)
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
) -> Explained:
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
        return Explained(explain(step), None, title, facts, step.notes, step, recording, recorded)
    assert place is not None  # a row has been located
    label = _label(recorded.table, row)
    if place.part == "train" and place.number in batch.rows:
        sample = int(np.flatnonzero(batch.rows == place.number)[0])
        facts |= {"row": row, "part": "train", "in_batch": True}
        named = f"{title}; {label} is one of them"
        given = (named, facts, step.notes, step, recording, recorded)
        return Explained(explain(step), sample, *given, page_title=title)
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
    of_table = alone.subject.table
    assert of_table is not None  # the model is one of a table
    title = f"{label} alone, at the parameters before step {step.step} of {recording.end}"
    subject = dataclasses.replace(
        alone.subject,
        part_of=recording.n_training_rows,
        table=of_table._replace(parts=(place.part,)),
    )
    notes = (note, *step.notes)
    return Explained(Explanation(subject), 0, title, facts, notes, step, recording, recorded)


def _opened(question: Question, show: Any) -> tuple[TableModel, Recording | None, Table]:
    """Read the model, its recording if it has one, and the table."""
    folder = question.model
    assert folder is not None  # without one there is an example
    stored, recording = consistent_read(
        folder,
        lambda: (
            load_table_model(folder),
            load_recording(folder) if is_recorded(folder) else None,
        ),
    )
    show("reading the table")
    single = stored if isinstance(stored, NetworkModel) else None
    return stored, recording, _table(question, stored, single, recording)


def _explain_model(question: Question, show: Any) -> Explained:
    """Explain the trained model on the rows of a table."""
    stored, recording, table = _opened(question, show)
    single = stored if isinstance(stored, NetworkModel) else None
    recorded = None
    if recording is not None and single is not None:
        recorded = _with_table(single, recording, table)
    row = question.row
    if row is not None and not 1 <= row <= len(table):
        raise InputError(
            parameter="row", given=row, expected=f"a row of the table, from 1 to {len(table)}"
        )
    only_answer = wants_answer_only(question)
    name = "" if stored.schema.target is None else stored.schema.target.name
    typed = apply_schema(stored.schema, table, need_target=not only_answer or name in table)
    other = other_table(stored, typed)
    sample = None
    if row is not None:
        matches = np.flatnonzero(typed.rows == row - 1)
        if not matches.size and not only_answer:
            raise DataError(
                f"{_label(table, row)} has no target; expected a row with a known target, since a "
                "cost compares with one",
                hint=Message("give ", Parameter("row"), " alone for its prediction"),
            )
        if not matches.size:
            typed = apply_schema(stored.schema, table, need_target=False)
        sample = int(np.flatnonzero(typed.rows == row - 1)[0])
    parts = training_parts(stored, typed)
    part = None if sample is None else parts[sample]
    notes = [*typed.notes, *stored.notes(typed), *beyond_training(stored.schema, typed)]
    most = max(_MOST_NUMBERS // _widest(stored), 1)
    when = "" if recording is None else f", after step {model_step(recording)} of its training"
    of_rows = f"{len(typed):,}"
    rows_explained = of_rows if len(typed) <= most else f"{most:,} of {of_rows}"
    is_other = bool(other) and knows_its_table(stored)
    which_table = ", of another table than the training's" if is_other else ""
    notes += [other] if other else []
    facts: dict[str, Any] = {
        "step": None,
        "rows": min(len(typed), most),
        "table_of_training": not other,
    }
    label = f" on {rows_explained} rows" if row is None else f", {_label(table, row)} of {of_rows}"
    label += which_table
    if row is not None:
        facts |= {"row": row, "part": part or None}
    if only_answer and (typed.target is None or (single is None and question.member is None)):
        assert sample is not None
        _refuse_member(question, single)
        answered = model_answer(stored, typed, sample)
        title = f"{'the portfolio' if single is None else 'the trained model'}{label}{when}"
        return Explained(None, sample, title, facts, tuple(notes), answer=answered, part=part)
    model, what, which = _network_of(stored, question)
    facts |= which
    if single is None and question.member is None:
        notes += _why_that_member(stored)
    row_of_table = sample
    if len(typed) > most:
        explanation, sample, note = explain_sample(model, typed, parts, most, sample)
        notes.append(note)
    else:
        explanation = explain(model, typed)
    answer = None
    if sample is not None and row_of_table is not None and not question.selected:
        if single is None and question.member is None:
            answer = model_answer(stored, typed, row_of_table)
        else:
            whole = None if single else stored.outputs(typed.take([row_of_table]))[0]
            answer = row_answer(
                explanation, sample, model=model, typed=typed, whole=whole, parts=parts
            )
    whose = what
    if answer is not None and answer.networks > 1:
        whose = "the portfolio"
        notes.append(f"the page and the derivations are of {what}")
    given = (f"{whose}{label}{when}", facts, tuple(notes), None, recording, recorded)
    # A title has one line on the page.
    short = f"{what.removesuffix(' in the portfolio)')})"
    on_page = what if single is not None else f"the portfolio; drawn: {short},"
    return Explained(
        explanation,
        sample,
        *given,
        answer=answer,
        part=part,
        portfolio=stored if isinstance(stored, PortfolioModel) else None,
        page_title=f"{on_page} on {rows_explained} rows{which_table}{when}",
    )


def _widest(model: TableModel) -> int:
    """Return the number of nodes of the model's widest network."""
    if isinstance(model, NetworkModel):
        return sum(model.model.net.widths)
    assert isinstance(model, PortfolioModel)
    return max(sum(each.net.widths) for member in model.members() for each in member.models)


def _why_that_member(model: Any) -> list[str]:
    """Return why the network that is explained is not of the member of the highest weight."""
    first, chosen = model.members()[0].configuration, model.member().configuration
    found = []
    if first.name != chosen.name:
        why = (
            "learned the logarithm of the target"
            if first.log_target
            else ("has inputs that are mixtures of all columns")
        )
        found.append(
            f"the network is not of the member of the highest weight, {first.name!r}, which {why}"
        )
    return [
        *found,
        "'deltarule distill' trains one network to predict what all of them predict",
    ]


def _network_of(stored: TableModel, question: Question) -> tuple[NetworkModel, str, dict[str, Any]]:
    """Return the network that is explained, what it is in words, and facts on which it is."""
    if isinstance(stored, PortfolioModel):
        chosen = stored.member(question.member)
        name, share, count = chosen.configuration.name, chosen.weight, len(chosen.models)
        what = f"network 1 of {count} of the member {name!r} (weight {share:.2f} in the portfolio)"
        return stored.network(question.member), what, {"member": name, "network": 1}
    assert isinstance(stored, NetworkModel)
    _refuse_member(question, stored)
    return stored, "the trained model", {}


def _refuse_member(question: Question, single: NetworkModel | None) -> None:
    if question.member is not None and single is not None:
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


def _table(
    question: Question, model: TableModel, single: NetworkModel | None, recording: Recording | None
) -> Table:
    if question.data is not None or question.sql is not None:
        return read_rows(model, question.data, question.table, question.sql, question.reading)
    if recording is None or single is None:
        raise InputError(
            "DATA is missing; expected a file, or a model of 'fit --record', which knows where its "
            "table is; see 'deltarule explain --help'"
        )
    return RecordedTable.of(single, recording, run_recorded_sql=question.run_recorded_sql).table


def _label(table: Table, row: int) -> str:
    """Name a row by its number, and by its line in the file if that differs."""
    where = table.where(row - 1)
    return f"row {row}" if where == f"row {row}" else f"row {row} ({where})"
