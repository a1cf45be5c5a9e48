"""One fit on Ray's workers, of which a machine is gone in the middle.

    python -m benchmarks.machine_gone [--seed 0]

Starts a Ray of three nodes on this machine, on loopback alone, of which two have a CPU each, and
trains with ``Cluster(workers=(1, 2))``. After a tenth of the epochs the node of a worker is ended,
its processes with it. Training must go on with one worker from the checkpoint; the result must be
that of one machine, up to rounding.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings

import numpy as np
import ray
from ray.cluster_utils import Cluster as Nodes

from deltarule import Network, train
from deltarule.cluster import Cluster
from deltarule.cluster.ray_workers import on_loopback
from deltarule.training import Checkpoint

EPOCHS = 500


def main() -> None:
    """Train, end a node, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    rng = np.random.default_rng(parser.parse_args().seed)
    X = rng.normal(size=(9001, 20)).astype(np.float32)
    Y = np.sin(X[:, :1]) + X[:, 1:2]
    net = Network([20, 64, 32, 1], "tanh", dtype=np.float32)
    settings = {"epochs": EPOCHS, "batch_size": 1003, "learning_rate": 0.001, "seed": 4}
    one = train(net, X, Y, **settings)
    where = {"node_ip_address": "127.0.0.1", "include_dashboard": False}
    with on_loopback(), tempfile.TemporaryDirectory() as folder:
        cluster = Nodes(initialize_head=True, head_node_args=where | {"num_cpus": 0})
        nodes = [cluster.add_node(num_cpus=1, **where) for _ in range(2)]
        ray.init(cluster.address, _node_ip_address="127.0.0.1", log_to_driver=False)
        own = ray.get_runtime_context().get_node_id()
        other = next(each for each in nodes if each.node_id != own)
        epochs, gone = [], []

        def progress(log) -> None:
            epochs.append(log.epoch)
            if not gone and log.epoch >= EPOCHS // 10:
                gone.append((log.epoch, time.monotonic()))
                cluster.remove_node(other, allow_graceful=False)
            elif gone and len(gone) == 1 and log.epoch < epochs[-2]:
                gone.append((log.epoch, time.monotonic()))

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = Cluster((1, 2), ray_address="auto").train(
                net,
                X,
                Y,
                **settings,
                checkpoint=Checkpoint(f"{folder}/saved", every=0.2),
                progress=progress,
            )
        ray.shutdown()
        cluster.shutdown()
    told = [str(each.message) for each in caught if "started the workers" in str(each.message)]
    print(f"a node ended in epoch {gone[0][0]}; {', '.join(told)}")
    if len(gone) > 1:
        print(f"it went on with epoch {gone[1][0]}, {gone[1][1] - gone[0][1]:.0f} s later")
    difference = np.abs(result.theta - one.theta).max() / np.abs(one.theta).max()
    loss = result.history.logs[-1].loss / one.history.logs[-1].loss - 1
    print(f"difference from one machine: {difference:.1e} of the largest weight, loss {loss:+.1e}")
    if not told or epochs[-1] != EPOCHS or not difference < 1e-4:
        raise SystemExit("training did not go on as it should")


if __name__ == "__main__":
    main()
