"""``python -m benchmarks.proben1``."""

import numpy as np
import pytest
from benchmarks.studies import RowLog

from benchmarks import proben1

PUBLISHED = "table,architecture,task,problem,test_mean,test_std,test_class_mean\n"


@pytest.fixture
def folder(tmp_path):
    """A problem of two classes: the second input says which."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(80, 2)).round(3)
    header = ["bool_in=0", "real_in=2", "bool_out=2", "real_out=0"]
    header += ["training_examples=40", "validation_examples=20", "test_examples=20"]
    rows = [f"{a} {b} {int(b > 0.5)} {int(b <= 0.5)}" for a, b in X]
    (tmp_path / "halves1.dt").write_text("\n".join([*header, *rows]) + "\n")
    (tmp_path / "pivot_architectures.csv").write_text(
        "problem,hidden1,hidden2,output\nhalves1,4,0,identity\n"
    )
    (tmp_path / "published_results.csv").write_text(
        f"{PUBLISHED}3,linear,classification,halves1,0.01,0.0,1.5\n"
        "10,no_shortcut,classification,halves1,90.0,1.0,20.0\n"
    )
    return tmp_path


def test_measured_beside_published(folder, capsys):
    written = folder / "results.csv"
    arguments = [str(folder), "--runs", "2", "--csv", str(written)]
    proben1.main(arguments)
    out = capsys.readouterr().out
    assert "linear: 0 of 1 pass (0 %)\nno_shortcut: 1 of 1 pass (100 %)" in out
    linear, hidden = RowLog(written, proben1._FIELDS).rows
    assert (linear["verdict"], hidden["verdict"]) == ("worse", "better")
    assert float(hidden["test_mean"]) < float(linear["test_mean"]) < 20
    assert float(hidden["epochs"]) % 5 == 0
    # The second time nothing is trained.
    before = written.read_bytes()
    proben1.main(arguments)
    assert capsys.readouterr().out.splitlines()[:-1] == out.splitlines()[:-1]
    assert written.read_bytes() == before


def test_the_weights_of_the_best_strip_are_tested(folder, monkeypatch):
    problem = proben1.Problem.read(folder / "halves1.dt")
    assert [len(X) for X, _ in (problem.training, problem.validation, problem.test)] == [40, 20, 20]
    monkeypatch.setattr(proben1, "_EPOCHS", 5)
    short, _, epochs = proben1.errors_of_runs(problem, [], "identity", "linear", 2)
    monkeypatch.setattr(proben1, "_EPOCHS", 9)
    again, _, _ = proben1.errors_of_runs(problem, [], "identity", "linear", 2)
    assert epochs == [5, 5]
    assert short == again
    assert short[0] != short[1]


@pytest.mark.parametrize(
    ("kind", "mean", "std", "found", "passes"),
    [
        ("linear", 1.05, 0.0, "within", True),
        ("linear", 1.06, 0.0, "worse", False),
        ("linear", 1.20, 0.1, "within", True),
        ("linear", 0.70, 0.1, "better", False),
        ("no_shortcut", 0.70, 0.1, "better", True),
        ("no_shortcut", 1.21, 0.1, "worse", False),
    ],
)
def test_verdicts(kind, mean, std, found, passes):
    assert proben1.verdict(kind, mean, 1.0, std) == found
    assert proben1.passes(kind, found) == passes
