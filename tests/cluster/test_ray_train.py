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
from deltarule.cluster.ray_workers import on_loopback
from deltarule.errors import TrainingWarning, WorkerFailed
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
        with on_loopback():
            ray.init(
                _node_ip_address="127.0.0.1",
                include_dashboard=False,
                num_cpus=2,
                log_to_driver=False,
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


def test_ray_listens_on_loopback_alone(ray):
    host, port = ray.get_runtime_context().gcs_address.rsplit(":", 1)
    assert host == ray.util.get_node_ip_address() == "127.0.0.1"
    sockets = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    listening = [
        local.rpartition(":")[0]
        for _, local, _, state, *_ in sockets
        if state == "0A" and local.endswith(f":{int(port):04X}")
    ]
    assert len(listening) == 1
    assert listening[0].endswith("0100007F")  # 127.0.0.1, also as a part of one of IPv6


def test_lost_workers_and_the_bits_of_two_undisturbed_ones(ray, tmp_path, monkeypatch):
    # One process less at each start; no machine is taken away here.
    monkeypatch.setenv("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    undisturbed = on_threads(2, lambda world: train_in_world(NET, X, Y, world=world, **SETTINGS))
    one = train(NET, X, Y, **SETTINGS)
    # A worker that trained alone would have these bits. Ray's own backend for JAX lets each do so.
    assert (one.theta != undisturbed[0].theta).any()
    lost, logs = {}, []

    def lose(log):
        logs.append(log.epoch)
        for epoch, number in ((10, signal.SIGKILL), (30, signal.SIGSTOP)):
            if log.epoch >= epoch and number not in lost:
                lost[number] = rays_workers()[-1]
                os.kill(lost[number], number)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Of the four there is room for two.
        result = Cluster((1, 4), ray_address="local", restarts=2, worker_timeout=4.0).train(
            NET,
            X,
            Y,
            **SETTINGS,
            progress=lose,
            checkpoint=Checkpoint(tmp_path / "c", every=0.0),
        )
    told = [str(each.message) for each in caught if each.category is TrainingWarning]
    assert told == ["Ray has started the workers again, 2 of them"] * 2
    assert len(lost) == 2
    assert sorted(set(logs)) == list(range(1, 61))
    assert len(logs) < 2 * 60
    np.testing.assert_array_equal(result.theta, undisturbed[0].theta)
    assert rays_workers() == []


def test_no_room_for_the_workers(ray):
    with pytest.raises(WorkerFailed, match="the cluster has 2 CPUs, of which 2 are free") as caught:
        Cluster(3, ray_address="local", timeout=2.0).train(NET, X, Y, **SETTINGS)
    assert caught.value.parameter == "workers"
