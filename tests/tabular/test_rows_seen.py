"""Rows of a training table are found again in another table, and chance repeats are allowed for."""

import dataclasses
import json

import numpy as np
import pytest

from deltarule.errors import InputError, ModelFileError
from deltarule.tables import TypedColumns, apply_schema, infer_schema, table_from_frame
from deltarule.tables.row_digests import RowDigests
from deltarule.tabular import TableModel, TableSettings, fit_table
from deltarule.tabular.rows_seen import ROW_DIGESTS

N = 60
COLUMNS = {
    "x": np.where(np.arange(N) % 7 == 0, np.nan, np.arange(N) / 4),
    "town": np.array(["Bonn", "Ulm", "Jena", None], dtype=object)[np.arange(N) % 4],
    "y": np.arange(N) * 1.5 % 11,
}


def typed_rows(values, target=None):
    values = np.asarray(values, dtype=float)
    target = values * 2 if target is None else np.asarray(target, dtype=float)
    return TypedColumns({"x": values}, np.arange(len(values)), target=target)


@pytest.fixture(scope="module")
def model():
    table = table_from_frame(COLUMNS)
    return fit_table(table, infer_schema(table, "y"), TableSettings(folds=0, epochs=1))


def seen(model, columns):
    return model.rows_seen(apply_schema(model.schema, table_from_frame(columns)))


def test_changed_rows_are_the_only_ones_that_are_not_found(model, tmp_path):
    changed = {name: column[::-1].copy() for name, column in COLUMNS.items()}  # in another order
    changed["x"][3], changed["town"][9], changed["y"][20] = 99.0, "Ulm!", 99.0
    found = seen(model, changed)
    assert (found.found, found.compared, found.too_many) == (57, 60, True)
    assert found.text(60) == "57 of 60 rows also occur in the training table"
    model.save(tmp_path / "m.deltarule")
    assert seen(TableModel.load(tmp_path / "m.deltarule"), changed) == found


def test_new_rows_are_not_found(model):
    found = seen(model, {**COLUMNS, "y": COLUMNS["y"] + 0.25})
    assert (found.found, found.beyond_chance, found.text(60)) == (0, False, "")


def test_rows_that_repeat_each_other_by_chance_are_no_finding():
    random = np.random.default_rng(0)
    table = {"x": random.integers(0, 4, 400), "y": random.integers(0, 3, 400)}
    few = fit_table(table, "y", TableSettings(folds=0, epochs=1))
    fresh = {"x": random.integers(0, 4, 300), "y": random.integers(0, 3, 300)}
    found = seen(few, fresh)
    assert (found.found, found.beyond_chance, found.too_many) == (300, False, False)


def test_one_row_in_a_thousand_is_said_and_does_not_spoil_the_scores(model):
    many = {name: np.tile(column, 17)[:1000] for name, column in COLUMNS.items()}
    many["y"] = np.arange(1000) + 0.125
    many["y"][0] = COLUMNS["y"][0]
    found = seen(model, many)
    assert (found.found, found.beyond_chance, found.too_many) == (1, True, False)
    assert found.text(1000) == "1 of 1,000 rows also occurs in the training table"


def test_the_smallest_digests_tell_of_a_sample_of_the_rows():
    training, other = typed_rows(np.arange(5000)), typed_rows(np.arange(4000, 8000))
    some = RowDigests.of(training, "key", most=1000)
    found, compared = some.found(other)
    assert len(some.digests) == 1000
    assert not some.complete
    assert 600 < compared < 1000  # a fifth of 4,000
    assert found == RowDigests.of(training, "key").found(_take(other, some))[0]
    assert abs(found / compared - 0.25) < 0.07


def _take(typed, digests):
    """The rows whose digests are at most the largest that is kept."""
    last = digests.digests[-1]
    kept = [
        k for k in range(len(typed)) if RowDigests.of(typed.take([k]), "key").digests[0] <= last
    ]
    return typed.take(kept)


@pytest.mark.parametrize("most", [100, 10_000])
def test_digests_of_two_tables_are_those_of_both(most):
    first, second = typed_rows(np.arange(300)), typed_rows(np.arange(200, 600))
    both = RowDigests.of(first, "key", most).with_rows(second, most)
    expected = RowDigests.of(typed_rows(np.arange(600)), "key", most)
    assert np.array_equal(both.digests, expected.digests)
    assert both.complete == expected.complete


def test_the_digests_of_another_key_tell_nothing():
    training = typed_rows(np.arange(50))
    assert not np.isin(
        RowDigests.of(training, "a").digests, RowDigests.of(training, "b").digests
    ).any()


def test_they_take_eight_bytes_a_row_and_come_back():
    digests = RowDigests.of(typed_rows(np.arange(300)), "key")
    saved = json.loads(json.dumps(digests.to_dict()))
    assert len(saved["digests"]) == 4 * 300 * 8 // 3  # Base64
    assert np.array_equal(RowDigests.from_dict(saved).digests, digests.digests)
    assert RowDigests.from_dict({**saved, "version": 2}) is None
    for name, bad in (("digests", "%"), ("digests", "AAAA"), ("complete", 1), ("version", "1")):
        with pytest.raises(InputError):
            RowDigests.from_dict({**saved, name: bad})
    backwards = RowDigests("key", digests.digests[::-1], True, 0.0)
    with pytest.raises(InputError, match="ascending"):
        RowDigests.from_dict(backwards.to_dict())


def test_a_model_with_damaged_digests_is_refused_and_one_without_knows_nothing(model, tmp_path):
    older = {name: each for name, each in model.report.items() if name != ROW_DIGESTS}
    assert seen(dataclasses.replace(model, report=older), COLUMNS) is None
    bad = {**model.report, ROW_DIGESTS: {**model.report[ROW_DIGESTS], "digests": "?"}}
    dataclasses.replace(model, report=bad).save(tmp_path / "bad.model")
    with pytest.raises(ModelFileError, match="digests"):
        TableModel.load(tmp_path / "bad.model")
