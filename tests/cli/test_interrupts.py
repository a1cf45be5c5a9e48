"""Ctrl-C wherever a command is: status 130, one line, and what is there stays as it is."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import contents

from deltarule import MLPClassifier, MLPRegressor, TabularRegressor
from deltarule.interruptible import any_abandoned, call_interruptibly
from deltarule.tables import read_table
from deltarule.tabular import TableModel
from deltarule.tabular.portfolio import Configuration
from deltarule.training import StopFlag, train

# What is done before the command; ``press`` sends a signal to the process itself.
BEFORE = """
import os, signal, sys, threading
def press(number=signal.SIGINT):
    os.kill(os.getpid(), number)
def block(*_, **__):
    print("blocked", flush=True)
    threading.Event().wait()
"""
AFTER = """
from deltarule.cli import main
sys.argv = ["deltarule", *{arguments!r}]
main()
"""
FIRST_EPOCH = """
from deltarule.training.steps import StepRun
def steps(self, *arguments, whole=StepRun._steps):
    press(signal.{number})
    whole(self, *arguments)
StepRun._steps = steps
"""
# Compiling and loading what is compiled are one call, which never comes back here.
COMPILING = """
from types import SimpleNamespace
from deltarule.engines import registry
registry.importlib = SimpleNamespace(import_module=block, util=registry.importlib.util)
"""
SCORING = """
import deltarule.tabular.network_report as tabular
from deltarule.training.steps import StepRun
def steps(self, *arguments, whole=StepRun._steps):
    if len(self.history):
        press()
    whole(self, *arguments)
StepRun._steps = steps
def score(*arguments, **options):
    press()
tabular.score_outputs = score
"""
SAVING = """
from deltarule.files import atomic_file, bundles
def create(*arguments, whole=atomic_file.create_locked):
    press()
    return whole(*arguments)
bundles.create_locked = atomic_file.create_locked = create
"""
WRITING_TO_A_PIPE = """
import pathlib
def opened(self, mode="r", *more, whole=pathlib.Path.open, **options):
    if mode == "wb" and self.is_fifo():
        print("blocked", flush=True)
    return whole(self, mode, *more, **options)
pathlib.Path.open = opened
"""
IMPORTING = """
class Finder:
    def find_spec(self, name, *_):
        if name == "numpy":
            press()
sys.meta_path.insert(0, Finder())
"""
QUERYING = """
import deltarule.tables.{module} as module
def waited(work, cancel, whole=module.call_interruptibly):
    print("blocked", flush=True)
    return whole(work, cancel)
module.call_interruptibly = waited
"""
FIT = ("fit", "numbers.csv", "-t", "y", "--layers", "4", "--epochs", "3", "--out", "numbers.model")


def begun(before, *arguments):
    """A process that runs a command, after something was done to it."""
    return subprocess.Popen(
        [sys.executable, "-c", BEFORE + before + AFTER.format(arguments=arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
        # A number that no thread has part in, and the folder of the package of tests.
        env=os.environ | {"DELTARULE_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip


def outcome(process):
    with process:
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert "Traceback" not in err
    assert "Exception" not in err
    return process.returncode, out, err


def left_over(place):
    return [path for path in place.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("record", [(), ("--record",)])
def test_before_the_first_epoch_is_over_nothing_is_replaced(place, number, status, record):
    before = contents(place / "numbers.model")
    found, _, err = outcome(begun(FIRST_EPOCH.format(number=number), *FIT, "--force", *record))
    assert found == status
    word = "interrupted" if status == 130 else "terminated"
    assert err.splitlines()[-1] == (
        f"error: {word} before the first epoch was over; nothing was saved, and numbers.model is "
        "as it was"
    )
    assert contents(place / "numbers.model") == before
    assert not left_over(place)


def test_before_the_first_epoch_no_folder_appears_either(place):
    found, out, err = outcome(
        begun(FIRST_EPOCH.format(number="SIGINT"), *FIT[:-1], "new", "--json")
    )
    assert (found, err) == (130, "")
    said = json.loads(out)
    assert said["status"] == 130
    assert said["error"] == "interrupted before the first epoch was over; nothing was saved"
    assert not (place / "new").exists()


@pytest.mark.parametrize("command", [
    (*FIT, "--force"),
    ("fit", "numbers.csv", "-t", "y", "--out", "many.model", "--force"),
    ("predict", "numbers.model", "numbers.csv", "--out", "p.csv"),
    ("evaluate", "numbers.model", "numbers.csv"),
    ("explain", "kept.model", "--step", "2", "--html", "e.html"),
    ("check",),
    ("warmup",),
    ("playground", "--no-open"),
])  # fmt: skip
def test_who_compiles_is_left_at_ctrl_c(place, command):
    if command[0] == "playground":
        pytest.importorskip("uvicorn")
    before = contents(place)
    process = begun(COMPILING, *command)
    while "blocked" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    found, _, err = outcome(process)
    assert found == 130
    assert "nothing was saved" in err
    assert contents(place) == before


def test_a_second_ctrl_c_while_scoring_leaves_the_model_as_it_was(place):
    before = contents(place / "numbers.model")
    found, _, err = outcome(begun(SCORING, *FIT, "--force"))
    assert found == 130
    assert "again, while the best epoch was scored; nothing was saved" in err.splitlines()[-1]
    assert contents(place / "numbers.model") == before


def test_ctrl_c_while_saving_waits_until_the_model_is_whole(place):
    found, _, err = outcome(begun(SAVING, *FIT, "--force", "--seed", "9"))
    assert found == 130
    assert err.splitlines()[-1] == (
        "error: interrupted; what was saved before is whole: the model in numbers.model"
    )
    assert TableModel.load("numbers.model").settings["seed"] == 9
    assert not left_over(place)


def test_ctrl_c_while_predictions_are_written_waits_for_them(place):
    command = ("predict", "numbers.model", "numbers.csv", "--out", "p.csv")
    found, _, err = outcome(begun(SAVING, *command))
    assert (found, err) == (130, (
        "error: interrupted; what was saved before is whole: the predictions in p.csv\n"
    ))  # fmt: skip
    assert (place / "p.csv").read_text().count("\n") == 61


def test_ctrl_c_ends_the_wait_for_a_reader_of_a_pipe(place):
    os.mkfifo("p.csv")
    command = ("predict", "numbers.model", "numbers.csv", "--out", "p.csv", "--force")
    process = begun(WRITING_TO_A_PIPE, *command)
    assert process.stdout.readline() == "blocked\n"
    process.send_signal(signal.SIGINT)
    found, _, err = outcome(process)
    assert (found, err) == (130, "error: interrupted; nothing was saved\n")
    assert not left_over(place)


def test_ctrl_c_while_the_libraries_are_imported(place):
    found, _, err = outcome(begun(IMPORTING, *FIT, "--force"))
    assert (found, err) == (130, "error: interrupted; nothing was saved\n")


ENDLESS = "SELECT sum(a.range * b.range) AS y FROM range(1000000) a, range(100000000) b"
RECURSIVE = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS y FROM n"
)


@pytest.mark.parametrize(("module", "data", "sql"), [
    ("duckdb_connection", (), ENDLESS),
    ("duckdb_connection", ("numbers.csv",), ENDLESS),
    ("sqlite_file", ("t.db",), RECURSIVE),
])  # fmt: skip
def test_a_query_without_an_end_ends(place, module, data, sql):
    with sqlite3.connect("t.db") as connection:
        connection.execute("CREATE TABLE t (y)")
    connection.close()
    before = contents(place / "numbers.model")
    process = begun(
        QUERYING.format(module=module), "fit", *data, "-t", "y", "--sql", sql, *FIT[-2:], "--force"
    )
    assert process.stdout.readline() == "blocked\n"
    process.send_signal(signal.SIGINT)
    found, _, err = outcome(process)
    assert (found, err) == (130, "error: interrupted; nothing was saved\n")
    assert contents(place / "numbers.model") == before
    assert not left_over(place)


@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_estimator_without_a_finished_epoch_is_as_it_was(kind, solver, monkeypatch):
    X = np.linspace(-1, 1, 40)[:, None]
    y = (X[:, 0] > 0).astype(int)
    options = {"solver": solver, "random_state": 0, "engine": "reference"}
    model = kind(hidden_layer_sizes=(3,), max_iter=3, **options)
    with pytest.warns(Warning, match="onverge"):
        model.fit(X, y)
    before = dict(model.__dict__)
    monkeypatch.setattr(StopFlag, "check", pressed_once(StopFlag.check))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, 1 - y)
    assert model.__dict__ == before
    fresh = kind(hidden_layer_sizes=(3,), **options)
    monkeypatch.setattr(StopFlag, "check", pressed_once(StopFlag.check))
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X, y)
    assert not hasattr(fresh, "coefs_")


def pressed_once(whole):
    """A look at the flag, before the first of which Ctrl-C is pressed."""
    looked = []

    def check(self):
        if not looked:
            looked.append(True)
            signal.raise_signal(signal.SIGINT)
        whole(self)

    return check


def test_what_a_call_gives_and_raises_comes_through():
    assert call_interruptibly(lambda: "it") == "it"
    with pytest.raises(ZeroDivisionError):
        call_interruptibly(lambda: 1 / 0)
    assert not any_abandoned()


def test_in_the_folds_the_model_is_kept_and_the_verdict_left_out(place):
    rows = "".join(f"{i % 17},{i % 5},{i % 17 + i % 5}\n" for i in range(200))
    (place / "long.csv").write_text("a,b,y\n" + rows)
    press = """
import deltarule.tabular.folds as folds
def train(*arguments, whole=folds._train):
    press()
    return whole(*arguments)
folds._train = train
"""
    arguments = ("fit", "long.csv", "-t", "y", "--layers", "4", "--epochs", "3", "--json")
    found, out, _ = outcome(begun(press, *arguments, "--out", "long.model"))
    assert found == 130
    report = json.loads(out)
    assert report["against_constant"] is report["against_linear"] is None
    assert any("the cross-validation was stopped" in note for note in report["notes"])
    assert report["epochs"] == 3
    assert TableModel.load(place / "long.model").report["scores"] == report["scores"]


# The small portfolio of tests, in which Ctrl-C is pressed at a moment.
PORTFOLIO = """
import time
import pytest
from tests.tabular.small_portfolio import train_few_configurations
train_few_configurations(pytest.MonkeyPatch())
from deltarule.tabular.portfolio import candidates
trained = []
"""
# A configuration has 16 networks.
IN_THE_PORTFOLIO = (
    PORTFOLIO
    + """
def train(*arguments, whole=candidates.train, **options):
    trained.append(True)
    if len(trained) == {count}:
        press(signal.{number})
        time.sleep(0.5)  # until the main thread has handled it
    return whole(*arguments, **options)
candidates.train = train
"""
)
MANY = ("fit", "numbers.csv", "-t", "y", "--seed", "9", "--out", "many.model", "--force")


def test_the_networks_so_far_become_the_portfolio(place):
    before = IN_THE_PORTFOLIO.format(count=18, number="SIGINT")
    found, out, err = outcome(begun(before, *MANY))
    assert found == 130, err
    assert "note: interrupted; scoring and saving the portfolio so far" in err
    assert "note: interrupted: the portfolio has the networks that were trained until then" in err
    assert "Saved in many.model: the model, report.html." in out
    model = TableModel.load("many.model")
    assert model.settings["seed"] == 9
    board = model.report["leaderboard"]
    assert [each["configuration"] for each in board] == ["linear"]
    assert set(model.report["baselines"]) == {"constant"}
    assert model.report["against_constant"] is None
    low, high = model.predict_interval(read_table("numbers.csv")).T
    assert np.ptp(high - low) == pytest.approx(0, abs=1e-9)


def test_before_a_first_configuration_is_trained_nothing_is_replaced(place):
    before = contents(place / "many.model")
    found, _, err = outcome(begun(IN_THE_PORTFOLIO.format(count=2, number="SIGTERM"), *MANY))
    assert found == 143
    assert err.splitlines()[-1] == (
        "error: terminated before a first configuration was trained; nothing was saved, and "
        "many.model is as it was"
    )
    assert contents(place / "many.model") == before
    assert not left_over(place)


def test_a_second_ctrl_c_while_the_portfolio_is_scored_leaves_the_model_as_it_was(place):
    scoring = """
import deltarule.tabular.portfolio_fit as fitting
def score(*arguments, **options):
    press()
fitting.score_outputs = score
"""
    before = contents(place / "many.model")
    during = IN_THE_PORTFOLIO.format(count=18, number="SIGINT")
    found, _, err = outcome(begun(during + scoring, *MANY))
    assert found == 130
    assert "again, while the portfolio was scored; nothing was saved" in err.splitlines()[-1]
    assert contents(place / "many.model") == before


def test_ctrl_c_in_the_training_of_intervals_leaves_one_scale(place):
    during = PORTFOLIO + (
        """
import deltarule.tabular.portfolio_fit  # which has the function; intervals import it when needed
from deltarule.tabular.portfolio import fit as fitting
def fit(*arguments, whole=fitting.fit_portfolio, **options):
    press()
    return whole(*arguments, **options)
fitting.fit_portfolio = fit
"""
    )
    found, _, err = outcome(begun(during, *MANY))
    assert found == 130, err
    model = TableModel.load("many.model")
    assert len(model.report["leaderboard"]) == 4
    assert model.intervals.scale is None


@pytest.mark.parametrize("count", [2, 6])
def test_an_estimator_keeps_the_networks_so_far(count, monkeypatch):
    x = np.linspace(-1, 1, 60)
    trained = []

    def press(*arguments, **options):
        trained.append(True)
        if len(trained) == count:
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.5)  # until the main thread has handled it
        return train(*arguments, **options)

    few = [Configuration(name, "robust", epochs=4) for name in ("first", "second")]
    model = TabularRegressor(configurations=few, quality="fast", n_jobs=1)
    model.fit({"x": x}, x)
    before = model.portfolio_
    monkeypatch.setattr("deltarule.tabular.portfolio.candidates.train", press)
    if count == 2:
        with pytest.raises(KeyboardInterrupt):
            model.fit({"x": x}, x)
        assert model.portfolio_ is before
        return
    with pytest.warns(UserWarning, match="interrupted by user: the portfolio has the networks"):
        model.fit({"x": x}, x)
    assert [each.configuration.name for each in model.portfolio_.members] == ["first"]
