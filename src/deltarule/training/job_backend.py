"""Many trainings of one call in other processes or on other machines, by a backend of joblib.

``with joblib.parallel_config("ray")`` (or "dask", "spark", "loky") sends the trainings of a call
there, as it sends scikit-learn's fits. Each is computed on one core, with the bits that it has on
this machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from deltarule.engines.threads import core_in_use
from deltarule.errors import TrainingWarning, WorkerFailed
from deltarule.training.checkpoint import CheckpointSlot, Saved
from deltarule.training.checkpoint_pool import CheckpointPool
from deltarule.training.interrupt import StopFlag
from deltarule.training.job_sharing import NOT_SENDABLE, Shared, prepared
from deltarule.training.run import TrainingResult
from deltarule.training.threads import (
    completed_tasks,
    first_error_last,
    flag_of_this_thread,
    one_blas_thread,
    run_in_worker_thread,
)

__all__ = ["JobBackend", "SentTrainings", "chosen_backend", "completed_trainings"]

# How often in a row trainings are sent again before one of them ends.
_TRIALS = 3


def chosen_backend() -> JobBackend | None:
    """Return the backend of other processes that joblib's context chose; None if there is none.

    None too for a backend of threads, for one with one job, and within a training that already has
    a core of its own. "multiprocessing" counts as one of threads: of a process of its that dies,
    nobody is told, and threads give the same networks.

    Examples
    --------
    >>> chosen_backend() is None
    True
    >>> from joblib import parallel_config
    >>> with parallel_config("loky", n_jobs=2):
    ...     chosen_backend()
    <JobBackend: LokyBackend, 2 jobs>
    """
    # Whoever chose a backend has imported joblib.
    joblib = sys.modules.get("joblib")
    if joblib is None or flag_of_this_thread() is not None:
        return None
    backend, n_jobs = joblib.parallel.get_active_backend()
    in_process = [getattr(backend, name, False) for name in ("uses_threads", "supports_sharedmem")]
    if any(in_process) or type(backend).__name__ == "MultiprocessingBackend":
        return None
    if n_jobs is None:
        n_jobs = getattr(backend, "default_n_jobs", 1)
    jobs = 1 if n_jobs == 1 else int(backend.effective_n_jobs(n_jobs))
    return JobBackend(backend, n_jobs, jobs) if jobs > 1 else None


class JobBackend:
    """A backend of joblib on which the trainings of one call run.

    Parameters
    ----------
    backend : joblib.parallel.ParallelBackendBase
    n_jobs : int
        As joblib takes it; −1 for as many as the backend has.
    jobs : int
        How many that are.
    """

    def __init__(self, backend: Any, n_jobs: int, jobs: int) -> None:
        self._backend, self.n_jobs, self.jobs = backend, n_jobs, jobs
        self.name = type(backend).__name__

    def __repr__(self) -> str:
        return f"<JobBackend: {self.name}, {self.jobs} jobs>"

    def completed(
        self,
        task: Callable[[Any, Any], Any],
        shared: Any,
        argument: Callable[[int], Any],
        total: int,
        flag: StopFlag,
        enough: Callable[[], bool] = lambda: False,
    ) -> Generator[tuple[int, Future[Any]], None, None]:
        """Run ``task(shared, argument(k))`` for k below ``total``; yield each, with k, as it ends.

        ``task`` is a function of a module, and ``shared`` is sent to each worker once. If a worker
        is lost, what it had not returned runs again, which a warning says. If the flag is raised,
        or ``enough`` returns true, those that have not been sent are left out.

        Parameters
        ----------
        task : callable
        shared : object
        argument : callable
            Asked for the argument of each task when it is sent.
        total : int
        flag : StopFlag
        enough : callable

        Raises
        ------
        WorkerFailed
            If tasks cannot be sent, or workers are lost again and again.
        """
        data = Shared(shared)

        def calls(numbers: Sequence[int]) -> Iterator[Any]:
            for index in numbers:
                if flag or enough():
                    return
                yield _run, (task, data, index, argument(index)), {}

        remaining = list(range(total))
        trials = 0
        while remaining and not flag:
            try:
                with contextlib.closing(self._results(calls(list(remaining)))) as results:
                    for index, value, error in results:
                        remaining.remove(index)
                        trials = 0
                        yield index, _ended(value, error)
                return
            except NOT_SENDABLE as error:
                raise self._failed(error, "cannot send the networks", "what can be sent") from error
            except Exception as error:
                trials += 1
                if trials == _TRIALS:
                    raise self._failed(error, "lost its workers", "workers that stay") from error
                warnings.warn(
                    f"{self.name} lost a worker ({type(error).__name__}); the networks that it had "
                    "not returned are trained again",
                    TrainingWarning,
                    stacklevel=2,
                )

    def prepared(self) -> Any:
        """Return the backend as ``joblib.Parallel`` takes it, which sends large arrays once."""
        return prepared(self._backend)[0]

    def _failed(self, error: Exception, what: str, expected: str) -> WorkerFailed:
        return WorkerFailed(
            f"joblib's {self.name} {what}: {type(error).__name__}: {str(error)[:300]}; "
            f"expected {expected}; outside of joblib's context they are trained in this process"
        )

    def _results(self, sent: Iterator[Any]) -> Generator[tuple[int, Any, Any], None, None]:
        """Send calls; yield what each returns, as far as possible when it is there."""
        from joblib import Parallel

        backend, returned = prepared(self._backend)
        if getattr(backend, "supports_return_generator", False):
            parallel = Parallel(
                self.n_jobs, backend=backend, batch_size=1, return_as="generator_unordered"
            )
            yield from parallel(sent)
            return
        # Ray's backend returns everything at the end, or an error. What had been returned until
        # then is kept.
        parallel = Parallel(self.n_jobs, backend=backend, batch_size=1)
        failure: Exception | None = None
        try:
            returned[:] = parallel(sent)
        except Exception as error:  # noqa: BLE001  raised below, after what was returned
            failure = error
        yield from returned
        if failure is not None:
            raise failure


def _ended(value: Any, error: Exception | None) -> Future[Any]:
    """Return a future that has ended, as a task on a thread has one."""
    future: Future[Any] = Future()
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
    return future


def _run(
    task: Callable[[Any, Any], Any], shared: Shared, index: int, argument: Any
) -> tuple[int, Any, Exception | None]:
    """Run a task in a worker, on one core; return its number, its value and its error."""
    try:
        with run_in_worker_thread(StopFlag()), core_in_use(), one_blas_thread():
            return index, task(shared.value(), argument), None
    except Exception as error:  # noqa: BLE001  raised where the call was made
        return index, None, error


# -- trainings --------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class SentTrainings:
    """The trainings of one call, as a backend gets them.

    Attributes
    ----------
    task : callable
        ``task(shared, argument, slot)`` trains one network; a function of a module. The slot of a
        checkpoint is None if there is none.
    shared : object
        What all need.
    argument : callable
        Gives the argument of a training by its number, when it is sent.
    """

    task: Callable[[Any, Any, CheckpointSlot | None], TrainingResult]
    shared: Any
    argument: Callable[[int], Any]

    def completed(
        self,
        backend: JobBackend,
        numbers: Sequence[int],
        keys: Sequence[str],
        train_here: Callable[[int], TrainingResult],
        flag: StopFlag,
        goes_on: Callable[[int, BaseException], bool],
        pool: CheckpointPool | None = None,
    ) -> Generator[tuple[int, Future[Any]], None, None]:
        """Train those of these numbers; yield each as it ends, with its place among them.

        What has not begun when the flag is raised is not sent, but the result of ``train_here``,
        which then takes no step. The error that ends the iteration is the one of
        :func:`~deltarule.training.threads.first_error_last`.
        """
        failed: list[int] = []

        def argument(place: int) -> tuple[Any, _SentSlot | None]:
            index = numbers[place]
            slot = None if pool is None else _SentSlot(pool.slot(keys[index]))
            return self.argument(index), slot

        def ended_ones() -> Generator[tuple[int, Future[Any]], None, None]:
            waiting = set(range(len(numbers)))
            shared, total = (self.task, self.shared), len(numbers)
            for place, ended in backend.completed(
                _train, shared, argument, total, flag, lambda: bool(failed)
            ):
                waiting.remove(place)
                if ended.exception() is None:
                    result, slot = ended.result()
                    if pool is not None and slot.final is not None:
                        pool.add(keys[numbers[place]], *slot.final)
                    yield place, _ended(result, None)
                else:
                    yield place, ended
            for place in sorted(waiting):
                yield place, _made_here(train_here, numbers[place])

        yield from first_error_last(
            ended_ones(), len(numbers), goes_on, lambda place, error: failed.append(place)
        )


def completed_trainings(
    train_here: Callable[[int], TrainingResult],
    keys: Sequence[str],
    flag: StopFlag,
    *,
    goes_on: Callable[[int, BaseException], bool],
    workers: int,
    sent: tuple[JobBackend, SentTrainings] | None = None,
    pool: CheckpointPool | None = None,
    on_wait: Callable[[int], Any] | None = None,
    on_cancelled: Callable[[], Any] = lambda: None,
) -> Generator[tuple[int, Future[TrainingResult]], None, None]:
    """Train networks, in threads of this process or where they are sent; yield each as it ends.

    Those that the pool has trained come first, in their order: a checkpoint of another run is
    refused before anything is trained. ``train_here`` then takes no step.

    Parameters
    ----------
    train_here : callable
        Trains network k in this process.
    keys : sequence of str
        The key of each network in the pool.
    flag : StopFlag
    goes_on, on_wait, on_cancelled : callable
        As for :func:`~deltarule.training.threads.completed_tasks`.
    workers : int
        The number of threads.
    sent : tuple, optional
        The backend of joblib that trains them, and what it is sent.
    pool : CheckpointPool, optional
    """
    rest: list[int] = []
    for index, key in enumerate(keys):
        if pool is None or not pool.trained(key):
            rest.append(index)
            continue
        future = _made_here(train_here, index)
        yield index, future
        error = future.exception()
        if error is not None and not goes_on(index, error):
            return
    done = len(keys) - len(rest)
    if not rest:
        return

    def rest_goes_on(place: int, error: BaseException) -> bool:
        return goes_on(rest[place], error)

    if sent is None:
        completed = completed_tasks(
            lambda place: train_here(rest[place]),
            len(rest),
            workers,
            flag,
            None if on_wait is None else lambda ended: on_wait(done + ended),
            goes_on=rest_goes_on,
            on_cancelled=on_cancelled,
        )
    else:
        backend, trainings = sent
        completed = trainings.completed(backend, rest, keys, train_here, flag, rest_goes_on, pool)
    with contextlib.closing(completed):
        for place, future in completed:
            yield rest[place], future


def _train(shared: tuple[Any, Any], argument: tuple[Any, Any]) -> tuple[TrainingResult, Any]:
    """Train one network in a worker; return its slot too, with the final state."""
    (task, data), (own, slot) = shared, argument
    return task(data, own, slot), slot


def _made_here(train_here: Callable[[int], TrainingResult], index: int) -> Future[Any]:
    """Train a network in this thread; return a future that has ended."""
    try:
        return _ended(train_here(index), None)
    except Exception as error:  # noqa: BLE001  raised where the call was made
        return _ended(None, error)


class _SentSlot(CheckpointSlot):
    """A slot that is sent along with a training: its state so far, and at the end its final one.

    States in between are not saved: the folder of the checkpoint is where the call was made.

    Parameters
    ----------
    slot : CheckpointSlot
        The one in the folder.

    Attributes
    ----------
    final : Saved or None
    """

    every = float("inf")

    def __init__(self, slot: CheckpointSlot) -> None:
        self.place, self._newest = slot.place, slot.load()
        self.final: Saved | None = None

    def open(self) -> None:
        """The folder is claimed where the call was made."""

    def load(self) -> Saved | None:
        """Return the newest state in the folder when the training was sent."""
        return self._newest

    def save(self, documents: dict[str, Any], arrays: dict[str, np.ndarray], final: bool) -> None:
        """Keep a final state."""
        if final:
            self.final = documents, arrays

    def close(self) -> None:
        """Nothing is open."""
