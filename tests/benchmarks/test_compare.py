"""The comparison: numbers, names, what is missing, what fails."""

import json
import sys

import pytest
from benchmarks.comparison import compare, processes, ratio, scaling
from benchmarks.comparison.compare import check_names
from tests.benchmarks.helpers import TINY, comparison, growth

from deltarule.errors import (
    DeltaruleError,
    InputError,
    MissingDependency,
    UnknownName,
    WorkerFailed,
)
from deltarule.files import read_json, write_json

compare_module = sys.modules["benchmarks.comparison.compare"]
# Long enough for several epochs: a marginal time of one tiny epoch is noise, and may be negative.
SECONDS = 0.01
FAST = {"rounds": 1, "seconds": SECONDS}


def test_ratios_of_medians_and_within_rounds():
    found = ratio([10.0, 40.0, 90.0, 160.0], [10.0, 20.0, 30.0, 400.0])
    assert found.of_medians == 65 / 25
    assert (found.median, found.least, found.most) == (1.5, 0.4, 3.0)
    with pytest.raises(ValueError, match="longer"):
        ratio([1.0], [1.0, 2.0])


def test_things_are_measured_in_turn_and_each_round_begins_with_another():
    order = []

    def measure(name):
        return lambda: order.append(name) or float(len(order))

    said = []
    found = processes.in_turn({n: measure(n) for n in "abc"}, 3, said.append)
    assert "".join(order) == "abcbcacab"
    assert found == {"a": [1.0, 6.0, 8.0], "b": [2.0, 4.0, 9.0], "c": [3.0, 5.0, 7.0]}
    assert said[3] == "round 2 of 3: b"


def test_the_record_holds_every_time(tmp_path):
    write_json(tmp_path / "r.json", comparison().as_record())
    record = read_json(tmp_path / "r.json")
    (config,) = record["configs"]
    assert config["widths"] == [3, 5, 4, 2]
    assert config["seconds_of_a_step"]["torch"]["rounds"] == [2e-4, 4e-4, 6e-4]
    assert config["seconds_of_a_step"]["torch"]["median"] == 4e-4
    assert config["times_as_long"]["torch"]["of_medians"] == pytest.approx(4e-4 / 3e-6)
    assert record["not_run"] == {"jax": "because jax is not installed (pip install jax)"}
    assert record["processor"] == "a processor"
    json.dumps(growth().as_record())


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"against": ["numpy", "theano"]}, UnknownName, "unknown peer 'theano'; known: sklearn"),
        ({"against": ["deltarule"]}, UnknownName, "unknown peer 'deltarule'"),
        ({"against": []}, UnknownName, "unknown peer none"),
        ({"rounds": 0}, InputError, "rounds is 0; expected at least 1"),
        ({"threads": 0}, InputError, "threads is 0; expected 1 to"),
        ({"threads": 100_000}, InputError, "threads is 100000; expected 1 to"),
        ({"engine": "steam"}, UnknownName, "unknown engine 'steam'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    monkeypatch, arguments, kind, message
):
    monkeypatch.setattr(compare_module, "Worker", None)
    with pytest.raises(kind, match=message):
        compare([TINY], **arguments)
    assert check_names(["numpy", "numpy"]) == ["numpy"]


def test_a_small_comparison():
    said = []
    found = compare([TINY], ["numpy", "reference"], show=said.append, **FAST)
    (result,) = found.results
    assert list(result.timings) == ["deltarule", "numpy", "reference"]
    assert all(len(timing.seconds) == 1 for timing in result.timings.values())
    assert found.versions["reference"]["engine"] == "reference"
    assert said[0] == "tiny: preparing deltarule"


def test_all_sizes_are_measured_once():
    axes = growth().axes
    found = scaling({**axes, "again": axes["width"]}, rounds=2, seconds=SECONDS)
    assert {name: len(times) for name, times in found.seconds.items()} == {"w4": 2, "w8": 2}


@pytest.fixture
def broken_libraries(tmp_path, monkeypatch):
    """A JAX that is not there and a PyTorch that cannot be loaded, for processes started here."""
    (tmp_path / "jax.py").write_text("raise ModuleNotFoundError('no jax', name='jax')\n")
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch.so: too old')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=processes.os.pathsep)


@pytest.mark.usefixtures("broken_libraries")
def test_what_is_not_installed_is_left_out_with_the_reason():
    found = compare([TINY, TINY], ["jax", "torch", "numpy"], **FAST)
    assert found.not_run == {
        "jax": "because jax is not installed (pip install jax)",
        "torch": "because it cannot be imported (libtorch.so: too old) (pip install torch)",
    }
    assert [list(result.timings) for result in found.results] == [["deltarule", "numpy"]] * 2


@pytest.mark.usefixtures("broken_libraries")
def test_nothing_to_compare_with_is_an_error():
    with pytest.raises(MissingDependency, match="not run: jax because jax is not installed"):
        compare([TINY], ["jax"], **FAST)


DIES = "import sys; sys.stdin.readline(); sys.exit('no more')"
TRAINS_OTHERWISE = (
    "from benchmarks.comparison import peers, worker; peers.LEARNING_RATE = 1.1e-3;"
    "worker.serve(worker.training('numpy'))"
)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (DIES, "NumPy: its process ended with status 1 while it prepared, saying 'no more'"),
        (TRAINS_OTHERWISE, "NumPy has the loss .* do not train alike"),
    ],
)
def test_a_peer_that_fails_is_one_clear_error(monkeypatch, code, message):
    usual = compare_module.peer_command

    def command(name):
        return [sys.executable, "-c", code] if name == "numpy" else usual(name)

    started = []

    class Watched(processes.Worker):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            started.append(self._process)

    monkeypatch.setattr(compare_module, "peer_command", command)
    monkeypatch.setattr(compare_module, "Worker", Watched)
    with pytest.raises(WorkerFailed, match=message) as caught:
        compare([TINY], ["numpy"], **FAST)
    assert isinstance(caught.value, DeltaruleError)
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)
