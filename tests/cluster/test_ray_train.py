"""One fit on Ray's workers, all traffic on loopback."""

import contextlib
import os
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.cluster.thread_world import on_threads

from deltarule import Network, train
from deltarule.cluster import Cluster, train_in_world
from deltarule.training import Checkpoint

pytestmark = [
    pytest.mark.cluster,
    # Of Ray, and not of this library.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

RNG = np.random.default_rng(2)
X = RNG.normal(size=(9001, 3)).astype(np.float32)
Y = np.sin(X[:, :1]) + X[:, 1:2]
NET = Network([3, 20, 10, 1], "tanh", dtype=np.float32)
SETTINGS = {"epochs": 60, "batch_size": 1003, "learning_rate": 0.01, "seed": 4}


@pytest.fixture(scope="module")
def ray():
    pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")
    ray = pytest.importorskip("ray", reason="Ray is not installed: make cluster installs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            _node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=2, log_to_driver=False
        )
        yield ray
        ray.shutdown()


def rays_workers():
    """The processes of Ray's workers in a training."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"RayTrainWorker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return sorted(found)


def test_a_killed_worker_and_the_bits_of_two_undisturbed_ones(ray, tmp_path):
    undisturbed = on_threads(2, lambda world: train_in_world(NET, X, Y, world=world, **SETTINGS))
    one = train(NET, X, Y, **SETTINGS)
    # A worker that trained alone would have these bits. Ray's own backend for JAX lets each do so.
    assert (one.theta != undisturbed[0].theta).any()
    killed, logs = [], []

    def kill_once(log):
        logs.append(log.epoch)
        if not killed and log.epoch >= 10:
            killed.append(rays_workers()[-1])
            os.kill(killed[0], signal.SIGKILL)

    result = Cluster(2, ray_address="local", restarts=2).train(
        NET,
        X,
        Y,
        **SETTINGS,
        progress=kill_once,
        checkpoint=Checkpoint(tmp_path / "c", every=0.0),
    )
    assert len(killed) == 1
    assert sorted(set(logs)) == list(range(1, 61))
    np.testing.assert_array_equal(result.theta, undisturbed[0].theta)
