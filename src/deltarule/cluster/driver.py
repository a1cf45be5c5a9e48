"""A cluster that trains one network: processes of this machine, or Ray's workers."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deltarule.cluster.joining import checked_timeout
from deltarule.cluster.step_watch import STEP_TIMEOUT
from deltarule.cluster.worker_call import Answers, WorkerCall
from deltarule.errors import InputError, Message, Parameter, TrainingWarning, WorkerFailed
from deltarule.maths import Network
from deltarule.records import checked_integer
from deltarule.training import Checkpoint, EpochLog, StopFlag, TrainingResult
from deltarule.training.checkpoint import CheckpointSlot, as_slot
from deltarule.training.interrupt import interruptible

__all__ = ["Cluster"]


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Workers that train one network together, for a program that is not one of them.

    Each training starts them and ends them. Without ``ray_address`` they are processes of this
    machine, which ``multiprocessing`` starts: a script needs its ``if __name__ == "__main__":``.

    Parameters
    ----------
    workers : int, or two of them
        How many. ``(fewest, most)`` takes as many of Ray's workers as there are CPUs for, also when
        they are started again after a machine is gone, or when Ray finds room for more while there
        is a checkpoint. The result is then that of other numbers of workers up to rounding alone.
    ray_address : str, optional
        Of a Ray cluster, such as ``"auto"`` or ``"ray.example:6379"``, whose workers train;
        ``"local"`` starts Ray on this machine, on 127.0.0.1. Needs Ray:
        ``pip install 'deltarule[cluster]'``.
    restarts : int
        How often workers are started again in one training, after one was lost. They go on from
        ``checkpoint``, if there is one, and else begin anew.
    timeout : float
        Seconds to wait for all workers at a start.
    worker_timeout : float
        Seconds after which a worker that gives no sign of life counts as lost. A thread of its
        process gives them, so that a long step is no silence; a stopped process gives none.
    step_timeout : float
        Seconds that a worker may take, while it trains, for its part of a step, for reading rows, a
        scorer or a checkpoint. One that takes longer counts as lost too.
    public : bool
        Whether Ray's workers may listen on an address that is not private.

    Raises
    ------
    InputError
        If a value cannot be used.

    Examples
    --------
    >>> from deltarule.cluster import Cluster
    >>> Cluster(workers=4).restarts
    3
    """

    workers: int | tuple[int, int]
    ray_address: str | None = None
    restarts: int = 3
    timeout: float = 300.0
    worker_timeout: float = 300.0
    step_timeout: float = STEP_TIMEOUT
    public: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "workers", _checked_workers(self.workers, self.ray_address))
        checked_integer("restarts", self.restarts, 0)
        checked_timeout("timeout", self.timeout)
        checked_timeout("worker_timeout", self.worker_timeout)
        checked_timeout("step_timeout", self.step_timeout)
        if self.ray_address is not None and not isinstance(self.ray_address, str):
            raise InputError(
                parameter="ray_address", given=self.ray_address, expected="an address, or None"
            )

    def train(
        self,
        net: Network,
        X: Any,
        Y: Any = None,
        *,
        progress: Callable[[EpochLog], Any] | None = None,
        **arguments: Any,
    ) -> TrainingResult:
        """Train a network, as :func:`deltarule.train` does on one machine up to rounding.

        Parameters
        ----------
        net, X, Y
            As for :func:`deltarule.train`. Workers of this machine read large arrays from files in
            the temporary folder; Ray's from its store of objects.
        progress : callable, optional
            Called here with the log of each epoch, an :class:`~deltarule.training.EpochLog`.
        **arguments
            The others of :func:`deltarule.train`, without ``callbacks``. A folder ``checkpoint`` is
            one that worker 0 sees, on whatever machine it is.

        Returns
        -------
        TrainingResult

        Raises
        ------
        WorkerFailed
            If workers were lost more often than ``restarts``.
        MissingDependency
            If JAX, or Ray for ``ray_address``, is not installed.
        DeltaruleError
            What ``train`` raises.
        KeyboardInterrupt
            At a second Ctrl-C; the first one ends training.
        """
        given = arguments.pop("stop", None)
        if arguments.get("checkpoint") is not None:
            arguments["checkpoint"] = _absolute(arguments["checkpoint"])
        call = WorkerCall(net, X, Y, arguments)
        call.check()
        if progress is not None and not callable(progress):
            raise InputError(parameter="progress", given=progress, expected="a function of a log")
        answers = Answers(progress or (lambda log: None))
        with _stop_flag(given) as flag:

            def asked() -> Any:
                return (flag.reason, flag.kind) if flag else None

            if self.ray_address is not None:
                from deltarule.cluster.ray_workers import train_on_ray

                train_on_ray(call, self, answers, asked)
            else:
                self._on_this_machine(call, answers, asked)
        if answers.result is None:
            raise WorkerFailed("the workers ended without a result")
        return answers.result

    def _on_this_machine(self, call: WorkerCall, answers: Answers, asked: Any) -> None:
        from deltarule.cluster.local_workers import train_on_processes

        assert isinstance(self.workers, int)
        for attempt in range(self.restarts + 1):
            answers.errors.clear()
            try:
                limits = self.timeout, self.worker_timeout, self.step_timeout
                train_on_processes(call, self.workers, *limits, answers, asked)
            except WorkerFailed as error:
                refusal = answers.refusal()
                if refusal is not None:
                    raise refusal from None
                if attempt == self.restarts or asked() is not None:
                    raise
                warnings.warn(
                    f"{error}; the workers are started again", TrainingWarning, stacklevel=4
                )
            else:
                return


def _checked_workers(given: Any, ray_address: Any) -> int | tuple[int, int]:
    if not isinstance(given, list | tuple):
        return checked_integer("workers", given, 1)
    if len(given) != 2:
        raise InputError(
            parameter="workers", given=given, expected="a number, or the fewest and the most"
        )
    fewest, most = (checked_integer("workers", each, 1) for each in given)
    if fewest > most:
        raise InputError(
            parameter="workers", given=given, expected="the fewest workers first, then the most"
        )
    if ray_address is None:
        raise InputError(
            parameter="workers",
            given=given,
            expected="one number for processes of this machine, which are always to be had",
            hint=Message("give ", Parameter("ray_address"), " for the workers of a Ray cluster"),
        )
    return fewest, most


def _absolute(checkpoint: Any) -> CheckpointSlot:
    """A checkpoint whose folder is the same in a process that is in another folder."""
    slot = as_slot(checkpoint)
    if isinstance(slot, Checkpoint):
        return Checkpoint(Path(slot.place).absolute(), slot.every)
    return slot


@contextlib.contextmanager
def _stop_flag(stop: Any) -> Iterator[StopFlag]:
    """Yield the flag of the call, which the first Ctrl-C raises within the block."""
    if stop is not None and not isinstance(stop, StopFlag):
        raise InputError(f"stop is {stop!r}; expected a StopFlag")
    flag = StopFlag(stop)
    with interruptible(flag):
        yield flag
