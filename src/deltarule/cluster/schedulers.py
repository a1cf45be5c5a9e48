"""The place that SLURM, Open MPI or Kubernetes has given to this process, as JAX reads it."""

from __future__ import annotations

import dataclasses
import importlib
import os
import warnings
from typing import Any, NamedTuple

from deltarule.errors import WorkerFailed

__all__ = ["Found", "found_by_jax", "scheduler"]


class _Scheduler(NamedTuple):
    """The environment variables of one process's number, and of that of all; and what to do.

    ``several`` is set to something other than 1 where there are several processes.
    """

    rank: str
    several: str
    size: str | None
    hint: str


_KNOWN = {
    "SLURM": _Scheduler(
        "SLURM_PROCID",
        "SLURM_STEP_NUM_TASKS",
        "SLURM_NTASKS",
        "start the workers by srun, which sets SLURM_JOB_ID, SLURM_STEP_NODELIST and SLURM_LOCALID",
    ),
    "Open MPI": _Scheduler(
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_SIZE",
        "since its version 5 no worker is told where worker 0 is: give mpirun "
        "-x JAX_COORDINATOR_ADDRESS=host:port",
    ),
    "Kubernetes": _Scheduler(
        "JOB_COMPLETION_INDEX",
        "KUBERNETES_SERVICE_HOST",
        None,
        "install its library in the image, by pip install 'jax[k8s]'",
    ),
}
_ADDRESS = "JAX_COORDINATOR_ADDRESS"


def scheduler() -> str | None:
    """The scheduler that started this process as one of several; None without one."""
    for name, each in _KNOWN.items():
        if each.rank in os.environ and os.environ.get(each.several, "1") != "1":
            return name
    return None


@dataclasses.dataclass(frozen=True)
class Found:
    """What a scheduler says.

    Attributes
    ----------
    address : str
        Host and port of worker 0.
    rank, size : int
    devices : list of int or None
        The accelerators of its machine that this worker uses; None for all.
    """

    address: str
    rank: int
    size: int
    devices: list[int] | None


def found_by_jax(name: str, timeout: float) -> Found | None:
    """What JAX finds of this process's place; None for a JAX that does not tell it beforehand.

    Parameters
    ----------
    name : str
        Of the scheduler.
    timeout : float
        Seconds that JAX may wait for the address of worker 0 to be known.

    Raises
    ------
    WorkerFailed
        If it finds nothing.
    """
    try:
        detect = importlib.import_module("jax._src.clusters").ClusterEnv
        detect = detect.auto_detect_unset_distributed_params
    except (ImportError, AttributeError):
        return None
    told: list[str] = []
    given = os.environ.get(_ADDRESS)
    try:
        with warnings.catch_warnings(record=True):  # that a library is missing, as is said below
            warnings.simplefilter("always")
            place: tuple[Any, ...] = detect(given, None, None, None, None, max(int(timeout), 1))
    except TypeError:
        return None
    except Exception as error:  # noqa: BLE001  of any type: of Kubernetes's library, or of a text
        told = str(error).splitlines()[:1]
        place = (None, None, None, None)
    address, size, rank, devices = place
    known = _KNOWN[name]
    if address is not None and size is None and known.size is not None and known.size in os.environ:
        rank, size = int(os.environ[known.rank]), int(os.environ[known.size])
    if None in (address, rank, size):
        raise WorkerFailed(
            f"{name} started this process as one of several, and JAX does not find the others"
            + "".join(f" ({each})" for each in told),
            expected="the address of worker 0, and the number of the workers",
            hint=known.hint,
        )
    return Found(address, rank, size, devices)
