"""`Cluster`: a program that starts workers on this machine, and gets the result of one machine."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from deltarule import Network, StopFlag, train
from deltarule.cluster import Cluster
from deltarule.errors import Diverged, InputError, TrainingWarning
from deltarule.training import Checkpoint, StopReason

RNG = np.random.default_rng(2)
X = RNG.normal(size=(9000, 3))
Y = np.sin(X[:, :1]) + X[:, 1:2]
NET = Network([3, 6, 1], "tanh")
SETTINGS = {"epochs": 60, "batch_size": 3000, "learning_rate": 0.01, "seed": 4}


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": (1, 2)}, "workers"),  # of this machine
        ({"workers": (1, 0), "ray_address": "local"}, "workers"),
        ({"workers": (2, 1), "ray_address": "local"}, "workers"),
        ({"workers": (1, 2, 3), "ray_address": "local"}, "workers"),
        ({"workers": 2, "restarts": -1}, "restarts"),
        ({"workers": 2, "timeout": 0}, "timeout"),
        ({"workers": 2, "worker_timeout": "long"}, "worker_timeout"),
        ({"workers": 2, "step_timeout": 0}, "step_timeout"),
        ({"workers": 2, "ray_address": 3}, "ray_address"),
    ],
)
def test_bad_values(given, parameter):
    with pytest.raises(InputError) as error:
        Cluster(**given)
    assert error.value.parameter == parameter


def test_arguments_that_cannot_be_sent():
    for name, value in {"callbacks": [print], "progress": 3}.items():
        with pytest.raises(InputError) as error:
            Cluster(2).train(NET, X, Y, **{name: value})
        assert error.value.parameter == name


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")


@pytest.fixture(scope="module")
def undisturbed():
    """What two workers of this machine give, and what they told."""
    pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")
    logs = []
    return Cluster(2).train(NET, X, Y, **SETTINGS, progress=logs.append), logs


@pytest.mark.cluster
def test_workers_of_this_machine(undisturbed):
    many, logs = undisturbed
    one = train(NET, X, Y, **SETTINGS)
    np.testing.assert_allclose(many.theta, one.theta, rtol=1e-9, atol=1e-12)
    assert [log.epoch for log in logs] == list(range(1, 61))
    assert logs[-1] == many.history.logs[-1]


@pytest.mark.cluster
def test_errors_of_workers_are_raised_here(jax):
    with pytest.raises(Diverged, match="training diverged in epoch 1"):
        Cluster(2).train(NET, X, Y * 1e9, rule="sgd", learning_rate=1e9, batch_size=100)


def children():
    """The worker processes of this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"spawn_main" in command:
            found.append(int(folder.name))
    return sorted(found)


@pytest.mark.cluster
def test_a_killed_worker_and_the_bits_of_an_undisturbed_run(undisturbed, tmp_path):
    killed, logs = [], []

    def kill_once(log):
        logs.append(log.epoch)
        if not killed and log.epoch >= 20:
            killed.append(children()[1])
            os.kill(killed[0], signal.SIGKILL)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = Cluster(2, restarts=1).train(
            NET,
            X,
            Y,
            **SETTINGS,
            progress=kill_once,
            checkpoint=Checkpoint(tmp_path / "c", every=0.02),
        )
    lost = [str(each.message) for each in caught if each.category is TrainingWarning]
    assert lost == ["worker 1 of 2 was ended by signal 9; the workers are started again"]
    np.testing.assert_array_equal(result.theta, undisturbed[0].theta)
    assert len(logs) < 2 * 60  # it went on, and did not begin anew


@pytest.mark.cluster
def test_a_stop_flag_of_the_program_ends_training(jax):
    flag = StopFlag()

    def stop(log):
        if log.epoch == 3:
            flag.stop("enough")

    result = Cluster(2).train(
        NET, X, Y, **SETTINGS | {"epochs": 1_000_000}, stop=flag, progress=stop
    )
    assert (result.stop_reason, result.stopped) == (StopReason.FLAG, "enough")
    assert 3 <= len(result.history) < 1_000_000


PROGRAM = """
import sys
from deltarule.cluster import Cluster
from deltarule.training import Checkpoint
from tests.cluster.test_cluster_object import NET, SETTINGS, X, Y

if __name__ == "__main__":
    result = Cluster(2).train(
        NET, X, Y, **SETTINGS,
        checkpoint=Checkpoint(sys.argv[1], every=0.02),
        progress=lambda log: print(log.epoch, flush=True),
    )
    print("theta", result.theta.tobytes().hex())
"""


@pytest.mark.cluster
def test_a_killed_program_goes_on_with_the_bits_of_an_undisturbed_one(undisturbed, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def run():
        return subprocess.Popen(
            [sys.executable, str(program), str(tmp_path / "c")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )

    with run() as process:
        for line in process.stdout:
            if int(line) >= 20:
                break
        process.kill()
    time.sleep(1.0)  # its workers notice
    with run() as process:
        lines = process.communicate(timeout=120)[0].splitlines()
    assert int(lines[0]) > 1
    assert lines[-1] == "theta " + undisturbed[0].theta.tobytes().hex()


@pytest.mark.cluster
def test_workers_with_the_jax_engine(jax):
    net = Network([3, 6, 1], "tanh", dtype=np.float32)
    settings = SETTINGS | {"epochs": 3, "engine": "jax"}
    many, one = Cluster(2).train(net, X, Y, **settings), train(net, X, Y, **settings)
    assert many.engine == "jax"
    np.testing.assert_allclose(many.theta, one.theta, rtol=1e-4, atol=1e-6)
