"""What SLURM, Open MPI and Kubernetes set for a process, and what is made of it."""

import os
import signal
import subprocess
import sys
import types

import pytest
from tests.cluster.launching import fitted_by_scheduler

from deltarule.cluster import join
from deltarule.cluster.schedulers import Found, found_by_jax, scheduler
from deltarule.errors import InputError, WorkerFailed

pytestmark = pytest.mark.cluster

NAMES = ("SLURM_", "OMPI_", "JAX_COORDINATOR", "JOB_COMPLETION", "KUBERNETES_", "DELTARULE_WORLD")
SLURM = {
    "SLURM_JOB_ID": "4242",
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
}


@pytest.fixture
def environment(monkeypatch):
    """Sets the variables of a scheduler, and no others."""
    pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")

    def given(**variables):
        for name in list(os.environ):
            if name.startswith(NAMES):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return given


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("localhost", "localhost"), ("n[07-11,15],m2", "n07"), ("n1,n2", "n1"), ("n[3,5]", "n3")],
)
def test_slurm(environment, nodes, first):
    environment(**SLURM | {"SLURM_STEP_NODELIST": nodes})
    assert scheduler() == "SLURM"
    port = 65535 - 2**12 + 1 + 4242 % 2**12
    assert found_by_jax("SLURM", 1.0) == Found(f"{first}:{port}", 1, 2, [1])


def test_open_mpi_before_and_since_version_5(environment):
    five = {f"OMPI_COMM_WORLD_{name}": value for name, value in (("SIZE", "4"), ("RANK", "3"))}
    five["OMPI_COMM_WORLD_LOCAL_RANK"] = "1"
    environment(OMPI_MCA_orte_hnp_uri="4096.0;tcp://10.0.0.9,10.1.0.9:3911", **five)
    assert scheduler() == "Open MPI"
    assert found_by_jax("Open MPI", 1.0) == Found(f"10.0.0.9:{65535 - 2**12 + 2}", 3, 4, [1])
    environment(**five)
    assert scheduler() == "Open MPI"
    with pytest.raises(WorkerFailed, match="Open MPI started this process as one of several"):
        join(workers=4)
    environment(JAX_COORDINATOR_ADDRESS="10.0.0.9:2940", **five)
    assert found_by_jax("Open MPI", 1.0) == Found("10.0.0.9:2940", 3, 4, None)


def test_kubernetes(environment, monkeypatch):
    environment(KUBERNETES_SERVICE_HOST="10.0.0.1", JOB_COMPLETION_INDEX="1")
    assert scheduler() == "Kubernetes"
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(WorkerFailed, match="Kubernetes started this process") as caught:
        join()
    assert "jax[k8s]" in caught.value.hint

    # Its library, with the answers of an indexed job of two pods.
    from jax._src.clusters.k8s_cluster import K8sCluster

    made = types.SimpleNamespace
    pod = made(
        metadata=made(
            name="fit-1",
            labels={"job-name": "fit"},
            owner_references=[made(controller=True, kind="Job")],
        ),
        spec=made(subdomain="pods"),
    )
    job = made(metadata=made(name="fit", labels={}), spec=made(parallelism=2))
    core = made(list_namespaced_pod=lambda namespace, field_selector: made(items=[pod]))
    batch = made(read_namespaced_job=lambda name, namespace: job)
    library = types.ModuleType("kubernetes")
    library.config = made(load_incluster_config=lambda: None)
    library.client = made(
        CoreV1Api=lambda: core,
        BatchV1Api=lambda: batch,
        exceptions=made(ApiException=type("ApiException", (Exception,), {})),
    )
    monkeypatch.setitem(sys.modules, "kubernetes", library)
    monkeypatch.setattr(K8sCluster, "_namespace", classmethod(lambda cls: "default"))
    monkeypatch.setattr("socket.gethostbyname", lambda name: "10.0.0.7")
    monkeypatch.setenv("HOSTNAME", "fit-1")
    try:
        assert found_by_jax("Kubernetes", 1.0) == Found("fit-0.pods:55527", 1, 2, None)
    finally:
        for each in (K8sCluster._pod, K8sCluster._job, K8sCluster._controller):
            each.__func__.cache_clear()


def test_a_wrong_number_of_workers_and_a_public_address_connect_nobody(environment):
    environment(**SLURM)
    with pytest.raises(WorkerFailed, match="there are 2 workers, as SLURM says; expected 3"):
        join(workers=3)
    environment(**SLURM | {"SLURM_STEP_NODELIST": "8.8.8.8"})
    with pytest.raises(InputError) as caught:
        join(workers=2)
    assert caught.value.parameter == "public"
    environment()
    with pytest.raises(WorkerFailed, match="this process is the only worker; expected 2"):
        join(workers=2)


def test_slurm_starts_the_workers(environment, place):
    port = 20_000 + (os.getpid() + 11) % 20_000
    environment(**SLURM, JAX_COORDINATOR_PORT=str(port), JAX_PLATFORMS="cpu")
    ranks = [{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(2)]
    statuses, outputs = fitted_by_scheduler(place, "slurm", ranks)
    assert statuses == [0, 0], outputs
    assert "Saved in slurm" in outputs[0][0]
    assert outputs[1][0] == ""


ENDLESS = """
import sys
from deltarule.cluster import join
world = join(workers=2, worker_timeout=3.0)
while True:
    world.barrier()
    print("together", flush=True)
"""


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_stopped_worker_ends_those_that_nobody_watches(environment, stopped):
    port = 20_000 + (os.getpid() + 13 + stopped) % 20_000
    environment(**SLURM, JAX_COORDINATOR_PORT=str(port), JAX_PLATFORMS="cpu")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ENDLESS],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
        )
        for rank in range(2)
    ]
    try:
        assert processes[0].stdout.readline() == b"together\n"
        processes[stopped].send_signal(signal.SIGSTOP)
        processes[1 - stopped].communicate(timeout=60)
        assert processes[1 - stopped].returncode not in (0, None)
        assert processes[stopped].poll() is None  # the scheduler's to end
    finally:
        for process in processes:
            process.kill()
            process.communicate()
