"""fit --checkpoint and resume: a command that is killed goes on to the same model."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from tests.cli.conftest import FAST, NUMBERS, contents

from deltarule.tabular import TableModel
from deltarule.tabular.portfolio.candidates import Candidate

# Kills its own process at the end of the third epoch, after the state was written.
KILLED = """
import os, signal, sys
from deltarule.training.steps import StepRun
def epoch(self, number, whole=StepRun._epoch):
    if number == 3:
        os.kill(os.getpid(), signal.{number})
    return whole(self, number)
StepRun._epoch = epoch
from deltarule.cli import main
sys.argv = ["deltarule", *{arguments!r}]
main()
"""
ONE = ("--layers", "4", "--epochs", "8", "--folds", "0")


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(NUMBERS)
    return tmp_path


def killed(folder, number, *arguments):
    code = KILLED.format(number=number, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def parameters(folder):
    return TableModel.load(folder).model.theta


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_one_network_that_is_killed_goes_on(number, table, deltarule):
    fit = ("fit", "t.csv", "--target", "y", *ONE, "--no-report")
    assert deltarule(*fit, "--out", "whole").status == 0
    saved = (*fit, "--out", "m", "--checkpoint", "c", "--every", "0")
    done = killed(table, number, *saved)
    status = {"SIGKILL": -signal.SIGKILL, "SIGTERM": 143, "SIGINT": 130}[number]
    assert done.returncode == status, done.stderr
    # At a signal that can be handled the best epoch so far is saved, and replaced afterwards.
    assert (table / "m").exists() == (number != "SIGKILL")
    outcome = deltarule("resume", "c") if number != "SIGINT" else deltarule(*saved)
    assert outcome.status == 0, outcome.err
    assert np.array_equal(parameters(table / "m"), parameters(table / "whole"))
    logs = [
        [{**log, "seconds": 0} for log in json.loads((table / name / "history.json").read_text())]
        for name in ("m", "whole")
    ]
    assert len(logs[0]) == 8
    assert logs[0] == logs[1]


def test_a_portfolio_goes_on_where_its_folder_was_moved_to(
    table, deltarule, small_portfolio, monkeypatch
):
    fit = ("fit", "t.csv", "--target", "y", "--no-report", "-q")
    assert deltarule(*fit, "--out", "whole").status == 0
    trained = []

    class KilledProcess(BaseException):
        pass

    def count(self, fold, *given, original=Candidate.train_fold):
        trained.append(fold)
        if len(trained) == 9:
            raise KilledProcess
        return original(self, fold, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Candidate, "train_fold", count)
        with pytest.raises(KilledProcess):
            deltarule(*fit, "--out", "m", "--checkpoint=c", "--every", "0s")
    (table / "elsewhere").mkdir()
    shutil.move(table / "c", table / "elsewhere" / "d")
    assert deltarule("resume", "elsewhere/d").status == 0
    for name in ("whole", "m"):
        assert deltarule("predict", name, "t.csv", "--out", f"{name}.csv").status == 0
    assert (table / "m.csv").read_bytes() == (table / "whole.csv").read_bytes()
    assert not (table / "c").exists()


@pytest.fixture
def small_portfolio(monkeypatch):
    from tests.tabular.small_portfolio import train_few_configurations

    return train_few_configurations(monkeypatch)


def test_other_data_and_settings_are_refused(table, deltarule):
    fit = ("fit", "t.csv", "--target", "y", *FAST, "--folds", "0", "--no-report", "-q")
    saved = (*fit, "--checkpoint", "c")
    assert deltarule(*saved, "--out", "m").status == 0
    before = contents(table)
    outcome = deltarule(*saved, "--out", "n", "--l2", "3")
    assert outcome.status == 2
    assert "checkpoint 'c' is of another run: settings l2 was" in outcome.err
    (table / "t.csv").write_text(NUMBERS.replace("0,0.0,p,0", "0,0.5,p,0"))
    outcome = deltarule(*saved, "--out", "n")
    assert outcome.status == 2
    assert "data X is not the same" in outcome.err
    (table / "t.csv").write_text(NUMBERS)
    assert contents(table) == before
    outcome = deltarule("resume", "c")
    assert outcome.status == 3
    assert "'m' exists already" in outcome.err


def test_folders_that_are_no_checkpoints(table, deltarule):
    (table / "photos").mkdir()
    (table / "photos" / "p.jpg").write_bytes(b"jpg")
    fit = ("fit", "t.csv", "--target", "y", *FAST, "--out", "m", "--checkpoint")
    outcome = deltarule(*fit, "photos")
    assert outcome.status == 3
    assert "holds 'p.jpg' and no checkpoint" in outcome.err
    assert contents(table / "photos").keys() == {"p.jpg"}
    for folder in ("photos", "nothing"):
        outcome = deltarule("resume", folder)
        assert outcome.status == 3
        assert "is no folder of a training from the command line" in outcome.err
    (table / "broken").mkdir()
    (table / "broken" / "command.json").write_text("[]")
    assert "is not what 'deltarule fit --checkpoint' wrote" in deltarule("resume", "broken").err
    assert not (table / "m").exists()
