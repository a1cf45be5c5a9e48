"""fit_table and ``deltarule fit``: the loss that is named is trained, and l1."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from deltarule.cli.app import app
from deltarule.errors import InputError, UnknownName
from deltarule.explain.subject_sources import of_table
from deltarule.maths import LOSSES
from deltarule.tables import infer_schema, table_from_frame
from deltarule.tabular import TableModel, TableSettings, fit_table, replay_table

RNG = np.random.default_rng(5)
A, B = RNG.uniform(-1, 1, (2, 240))
TARGETS = {
    2: np.array(["no", "yes"])[(A + B > 0).astype(int)],
    3: np.array(["a", "b", "c"])[np.digitize(A + B, [-0.5, 0.5])],
    0: 100 + 10 * (A + B),
}
LEGAL = {
    2: {"log_loss": "logistic", "weighted_log_loss": "logistic", "cross_entropy": "softmax",
        "squared_error": "logistic", "half_squared_error": "logistic",
        "absolute_error": "logistic", "huber": "logistic", "quantile": "logistic"},
    3: {"log_loss": "logistic", "weighted_log_loss": "logistic", "cross_entropy": "softmax",
        "squared_error": "softmax", "half_squared_error": "softmax",
        "absolute_error": "logistic", "huber": "logistic", "quantile": "logistic"},
    0: {"squared_error": "identity", "half_squared_error": "identity",
        "absolute_error": "identity", "huber": "identity", "quantile": "identity"},
}  # fmt: skip
USUAL = {2: "log_loss", 3: "cross_entropy", 0: "half_squared_error"}
SETTINGS = {"layers": (8,), "activation": "tanh", "learning_rate": 0.05, "epochs": 30, "l2": 0.0}


def table_of(task):
    return table_from_frame({"a": A, "b": B, "y": TARGETS[task]})


def fitted(task, **changes):
    table = table_of(task)
    return table, fit_table(
        table, infer_schema(table, "y"), TableSettings(**(SETTINGS | changes)), record=True
    )


@pytest.mark.parametrize("loss", ["auto", *LOSSES.names()])
@pytest.mark.parametrize("task", TARGETS)
def test_the_named_loss_is_trained(task, loss, tmp_path):
    name = USUAL[task] if loss == "auto" else loss
    if name not in LEGAL[task]:
        with pytest.raises(InputError, match=f"loss is '{loss}', which has no meaning for a"):
            fitted(task, loss=loss)
        return
    table, model = fitted(task, loss=loss)
    net = model.model.net
    assert (net.loss.name, net.output_activation.name) == (name, LEGAL[task][name])
    scores = model.report["scores"]["test"]
    assert scores["accuracy" if task else "r2"] > 0.8
    if task:
        proba = model.predict_proba(table)
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
        assert proba.shape == (240, task)
    model.save(tmp_path / "m")
    again = TableModel.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(table), model.predict(table))
    assert replay_table(tmp_path / "m", 3, table).epoch == 1
    subject = of_table(again, table, None).subject
    assert subject.Y.shape == (240, net.n_outputs)


@pytest.mark.parametrize("task", TARGETS)
def test_l1_reduces_the_weights(task):
    _, plain = fitted(task)
    table, thin = fitted(task, l1=20.0)

    def size(model):
        W, _ = model.model.net.unpack(model.model.theta)
        return sum(np.abs(w).sum() for w in W[1:])

    assert size(thin) < 0.7 * size(plain)
    assert of_table(thin, table, None).step.settings.l1 == 20.0


def test_bad_settings_are_refused_before_any_row_is_read():
    for changes, error, message in (
        ({"loss": "ghost"}, UnknownName, "unknown loss 'ghost'"),
        ({"loss": None}, InputError, "expected the name of a loss, or 'auto'"),
        ({"l1": -1.0}, InputError, r"l1 is -1\.0; expected a number in \[0, inf\)"),
        ({"l1": np.nan}, InputError, "l1 is nan"),
    ):
        with pytest.raises(error, match=message):
            TableSettings(**changes)


def test_the_command_line_names_losses_and_l1(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{a},{b},{y}" for a, b, y in zip(A, B, TARGETS[3], strict=True)]
    path.write_text("\n".join(["a,b,y", *lines]))
    base = ["fit", str(path), "--target", "y", "--layers", "6", "--epochs", "3", "--json"]
    run = CliRunner()
    out = tmp_path / "m"
    done = run.invoke(app, [*base, "--loss", "absolute_error", "--l1", "2", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)
    model = TableModel.load(out)
    assert model.model.net.loss.name == model.settings["loss"] == "absolute_error"
    assert model.settings["l1"] == 2.0
    for given, message in (
        (["--loss", "poisson"], "--loss is 'poisson', which has no meaning for a target of 3"),
        (["--loss", "ghost"], "unknown loss 'ghost'"),
        (["--l1", "-1"], "--l1 is -1"),
    ):
        failed = run.invoke(app, [*base, *given, "--out", str(tmp_path / "other")])
        assert failed.exit_code != 0
        assert message in failed.output + failed.stderr
        assert "Traceback" not in failed.output + failed.stderr
