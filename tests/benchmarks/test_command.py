"""``python -m benchmarks``."""

import sys
from dataclasses import dataclass

import pytest
from benchmarks.command import main
from benchmarks.comparison.pictures import picture
from benchmarks.comparison.tables import heading, result_table, scaling_tables
from tests.benchmarks.helpers import comparison, growth

from deltarule.files import read_json

FAST = ("--configs", "T", "--against", "numpy", "--rounds", "1")


@dataclass(frozen=True)
class Outcome:
    """What a command gave."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(capfd):
    """Run the comparison and give its outcome."""

    def run(*arguments):
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *capfd.readouterr())

    return run


def test_tables():
    found = comparison()
    assert heading(found).splitlines() == [
        "deltarule 0.1.0 (engine compiled), NumPy 2.4, PyTorch 2.13",
        "a processor, 2 cores; a system, Python 3.11.7; 2025-01-31T12:00:00+00:00",
        "2 threads, medians of 3 rounds, load of the machine before 0.5",
        "JAX: not run, because jax is not installed (pip install jax)",
    ]
    assert result_table(found.results[0]).splitlines() == [
        "tiny: 3-5-4-2 relu, 8 rows a step, 4 steps an epoch",
        "           µs/step  times deltarule's  median by round  least–most",
        "deltarule      3.0",
        "PyTorch      400.0                133              100     100–200",
    ]
    assert scaling_tables(growth()).splitlines() == [
        "width  µs/step   grows  operations grow  GFLOP/s",
        "4          2.0                               0.1",
        "8          3.0  × 1.50           × 2.00      0.1",
    ]


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_pictures(form):
    for found in (comparison(), growth()):
        drawn = picture(found, form)
        assert drawn[:5] in (b"<?xml", b"\x89PNG\r", b"%PDF-")
        assert drawn == picture(found, form)
    assert "PyTorch" in picture(comparison(), "svg").decode()


def test_a_comparison(command, tmp_path):
    times, plot = tmp_path / "new" / "times.json", tmp_path / "plot.svg"
    done = command(*FAST, "--json", times, "--plot", plot)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("deltarule 0.")
    assert "T: 4-32-32-1 relu, 32 rows a step, 128 steps an epoch" in lines
    assert lines[-1] == f"Wrote {times} and {plot}."
    record = read_json(times)
    assert record["rounds"] == 1
    assert set(record["configs"][0]["seconds_of_a_step"]) == {"deltarule", "numpy"}
    assert "4-32-32-1" in plot.read_text()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--configs", "T,Q"], 2, "error: unknown configuration 'Q'; known: T, S, M, L, X, tanh"),
        (["--against", "torch,caffe"], 2, "error: unknown peer 'caffe'; known: sklearn, torch,"),
        (["--against", ","], 2, "error: unknown peer none; known: sklearn"),
        (["--rounds", "0"], 2, "error: --rounds is 0; expected at least 1"),
        (["--threads", "9999"], 2, "error: --threads is 9999; expected 1 to"),
        (["--rounds", "many"], 2, "error: --rounds is 'many'; expected a whole number"),
        (["--engine", "steam"], 2, "error: --engine: unknown engine 'steam'"),
        (["--scaling", "--configs", "T"], 2, "error: --scaling was given with --configs"),
        (["--json", "times.txt"], 2, "error: --json is 'times.txt'; expected a name that ends in"),
        (["--json", "there.json"], 3, "error: 'there.json' exists already; name another with"),
        (["--plot", "plot.gif"], 2, "error: --plot is 'plot.gif'; expected a name that ends in"),
        (["--json", "x.json", "--against"], 2, "error: option '--against' requires an argument"),
    ],
)
def test_what_is_wrong_is_told_at_once(command, tmp_path, monkeypatch, options, status, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.json").write_text("kept")
    monkeypatch.setattr(sys.modules["benchmarks.comparison.compare"], "Worker", None)
    done = command(*options)
    assert done.status == status
    assert done.err.startswith(message)
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert (tmp_path / "there.json").read_text() == "kept"


def test_a_dead_worker_is_one_error(command, monkeypatch, tmp_path):
    module = sys.modules["benchmarks.comparison.compare"]
    monkeypatch.setattr(module, "peer_command", lambda name: [sys.executable, "-c", "exit(3)"])
    done = command(*FAST, "--json", tmp_path / "times.json")
    assert done.status == 1
    assert done.err.startswith("error: deltarule: its process ended with status 3")
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
