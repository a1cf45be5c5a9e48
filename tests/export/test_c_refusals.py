"""What is not exported is refused by name before anything is written; what is missing is said."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from tests.export.c_tables import table_model

from deltarule import Activation, MLPRegressor, Model, Network, TabularRegressor
from deltarule.errors import ExportMismatch, FileError, InputError
from deltarule.export import c_program, to_c
from deltarule.export.c_names import comment, identifier
from deltarule.tables.text_encoder import FreeTextEncoder

NET = Network([2, 3, 1], dtype=np.float32)
MODEL = Model(NET, NET.initial(0))


def free_text():
    model, _ = table_model()
    first = model.encoder.column_encoders[0]
    size = len(first.features())
    text = FreeTextEncoder("size", ("re",), np.ones(1), np.ones((1, size)), np.zeros(size), False)
    model.encoder.set_encoders([text, *model.encoder.column_encoders[1:]])
    return model


def too_large():
    net = Network([1, 1])
    return Model(net, net.pack(W=[[[1e39]]], b=[[0.0]]))


def sorted_formula():
    own = Activation("own", lambda xp: (np.sort, lambda z, a: 1))
    net = Network([2, 3, 1], activation=own)
    return Model(net, net.initial(0))


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        (free_text, {}, r"'size'.*free text.*encoded"),
        (too_large, {}, r"W1 has the parameter 1e\+39.*below 3.4e38"),
        (sorted_formula, {}, r"no symbolic form of own: value"),
        (lambda: MODEL, {"name": "two words"}, "name is 'two words'; expected a letter"),
        (lambda: MODEL, {"name": "dr_x"}, "name is 'dr_x'"),
        (lambda: MODEL, {"member": "m"}, r"member was given.*expected a portfolio"),
        (lambda: MODEL, {"encoded": True}, r"encoded was given.*expected a model of a table"),
        (lambda: MODEL, {"rows": 1}, "rows is 1; expected a whole number of at least 4"),
        (lambda: MODEL, {"data": [[1.0]]}, r"data has shape \(1, 1\); expected \(N, 2\)"),
        (lambda: MODEL, {"data": [[1e300, 0.0]]}, "not finite in float32"),
        (lambda: "model", {}, "a str cannot be exported; expected a NetworkModel"),
    ],
)
def test_a_refusal_names_what_and_writes_nothing(model, options, expected, tmp_path):
    with pytest.raises(InputError, match=expected):
        to_c(model(), tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_portfolio_is_to_be_distilled_first(tmp_path):
    x = np.linspace(-1, 1, 60)
    model = TabularRegressor(quality="fast", random_state=0, time_budget=5).fit({"x": x}, x**2)
    with pytest.raises(InputError, match=r"is a portfolio.*deltarule distill"):
        model.to_c(tmp_path / "out")


def test_an_estimator_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        MLPRegressor().to_c()


@pytest.mark.parametrize("given", [None, "none"])
def test_without_a_compiler_the_program_is_written_and_the_note_says_so(
    given, tmp_path, monkeypatch
):
    if given is None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CC", raising=False)
    else:
        monkeypatch.setenv("CC", given)
        monkeypatch.setattr(c_program, "m4_sizes", lambda *_: None)
    program = to_c(MODEL, tmp_path / "out")
    assert (program.tested, program.largest_share, program.sizes) == (None, None, ())
    assert any("was not compared with the model" in note for note in program.notes)
    assert any("size was not measured" in note for note in program.notes)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "manifest.json", "network.c", "network.h", "network.json", "network_test.c",
    ]  # fmt: skip


def test_a_program_that_predicts_something_else_is_not_written(tmp_path, strict, monkeypatch):
    """A planted fault: the first weight has the wrong sign."""
    right = c_program.CSource.source
    monkeypatch.setattr(
        c_program.CSource,
        "source",
        lambda self: re.sub(r"(W1\[6\] = \{\n  )", r"\1-", right(self)).replace("--", ""),
    )
    with pytest.raises(ExportMismatch, match=r"does not predict what the model predicts: .* wrong"):
        to_c(MODEL, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_is_an_error(tmp_path, strict, monkeypatch):
    monkeypatch.setenv("CC", f"{strict} -no-such-option")
    with pytest.raises(ExportMismatch, match=r"compiled by .* and run: .*no-such-option"):
        to_c(MODEL, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_only_a_program_is_replaced(tmp_path, strict):
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(FileError):
            to_c(MODEL, other, **options)
    to_c(MODEL, tmp_path / "out")
    with pytest.raises(FileError, match="exists already"):
        to_c(MODEL, tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("mine")
    to_c(MODEL, tmp_path / "out", overwrite=True, name="second")
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"second.c", "mine.txt"} <= found
    assert "network.c" not in found


def test_rows_that_leave_float32_are_left_out_and_counted(strict):
    net = Network([1, 1], activation=[], output_activation="exp", loss="squared_error")
    model = Model(net, net.pack(W=[[[1.0]]], b=[[0.0]]))
    program = to_c(model, data=[[1.0], [2.0], [100.0]])
    assert program.rows == 2
    assert any(note.startswith("1 rows are not tested") for note in program.notes)
    with pytest.raises(InputError, match="beyond float32"):
        to_c(model, data=[[200.0]])


@given(st.text())
def test_a_comment_holds_nothing_that_ends_it(text):
    found = comment(text)
    assert found.startswith("'")
    assert found.endswith("'")
    assert found.isprintable()
    for part in ("*/", "/*", "\\\n", "??", '"'):
        assert part not in found


@given(st.text())
def test_an_identifier_is_one(text):
    assert re.fullmatch(r"(?:[a-z][a-z0-9_]{0,41})?", identifier(text))
