"""Training the candidates of a portfolio: each configuration on each fold, in a pool of threads."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.threads import usable_threads
from deltarule.errors import Diverged
from deltarule.maths import Network
from deltarule.tabular.portfolio.configurations import Configuration
from deltarule.training import Model, StopReason, TrainingResult, train
from deltarule.training.interrupt import StopFlag, interruptible
from deltarule.training.threads import completed_tasks, one_blas_thread, run_in_worker_thread

__all__ = ["Candidate", "deadline_flag", "train_candidates"]


@dataclasses.dataclass(eq=False)
class Candidate:
    """A configuration and its networks so far.

    Attributes
    ----------
    configuration : Configuration
    net : Network
    X, Y : array of shape (N, n_0), (N, n_L) or (N,)
        The encoded rows and targets.
    first_seed : int
        The seed of fold 0.
    training_rows : sequence of arrays, optional
        The rows that the network of each fold is trained on; all others than the fold's if not
        given.
    models : dict of int to Model
        By the number of the fold that the network was not trained on.
    diverged : bool
        Whether one of its networks diverged.
    seconds : float
        Of training, added over its networks.
    outputs : dict of int to array
        The outputs a^L of the network of each fold for its rows, as far as they were asked for.
    """

    configuration: Configuration
    net: Network
    X: NDArray[np.float32]
    Y: NDArray[Any]
    first_seed: int
    training_rows: Sequence[NDArray[np.int64]] | None = None
    models: dict[int, Model] = dataclasses.field(default_factory=dict)
    diverged: bool = False
    seconds: float = 0.0
    outputs: dict[int, NDArray[np.float64]] = dataclasses.field(default_factory=dict)

    def held_out_outputs(self, fold: int, held_out: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the outputs a^L for the rows of a fold, of the network not trained on them."""
        if fold not in self.outputs:
            self.outputs[fold] = self.models[fold].predict(self.X[held_out]).astype(np.float64)
        return self.outputs[fold]

    def train_fold(
        self, fold: int, held_out: NDArray[np.int64], w: NDArray[np.float64]
    ) -> TrainingResult:
        """Train a network without the rows of a fold; it keeps its best epoch on them."""
        X, Y = self.X, self.Y
        if self.training_rows is not None:
            rows = np.union1d(self.training_rows[fold], held_out)
            X, Y, w, held_out = X[rows], Y[rows], w[rows], np.searchsorted(rows, held_out)
        n_rows = len(X)
        settings = self.configuration
        return train(
            self.net,
            X,
            Y,
            seed=self.first_seed + fold,
            sample_weight=w,
            validation=held_out,
            learning_rate=settings.learning_rate,
            l2=settings.l2,
            dropout=settings.dropout,
            epochs=settings.epochs_for(n_rows),
            batch_size=settings.batch_for(n_rows),
            averaging=settings.averaging,
            stopping=settings.patience_for(n_rows),
            schedule="cosine",
            rule="adam",
        )


def train_candidates(
    candidates: Sequence[Candidate],
    numbers: Sequence[int],
    folds: Sequence[NDArray[np.int64]],
    w: NDArray[np.float64],
    flag: StopFlag,
    progress: Callable[[str], Any] | None = None,
    threads: int | None = None,
) -> None:
    """Train every candidate on the folds of these numbers, as many networks at a time as threads.

    The result does not depend on the number of threads. A candidate with a network that diverged
    is marked so. If the flag is raised, networks keep their best epoch so far, and those without
    one are left out.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C.
    """
    tasks = [(candidate, fold) for candidate in candidates for fold in numbers]

    def train_one(index: int) -> TrainingResult:
        candidate, fold = tasks[index]
        if progress is not None and fold == numbers[0]:
            progress(candidate.configuration.name)
        with run_in_worker_thread(flag):
            return candidate.train_fold(fold, folds[fold], w)

    if not tasks:
        return
    completed = completed_tasks(train_one, len(tasks), threads or usable_threads(), flag)
    with interruptible(flag), one_blas_thread(), contextlib.closing(completed):
        results = dict(completed)
    if flag and flag.stopped.reason is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    for index, (candidate, fold) in enumerate(tasks):
        try:
            result = results[index].result()
        except Diverged:
            candidate.diverged = True
            continue
        candidate.seconds += result.seconds
        if result.best_epoch > 0:
            candidate.models[fold] = Model(candidate.net, result.theta, result.history)


@contextlib.contextmanager
def deadline_flag(deadline: float | None) -> Iterator[StopFlag]:
    """Within the block, a flag that is raised at a time of :func:`time.perf_counter`, or never."""
    flag = StopFlag()
    if deadline is None:
        yield flag
        return
    remaining = deadline - time.perf_counter()
    if remaining <= 0:
        flag.stop("time budget")
    timer = threading.Timer(max(remaining, 0.0), flag.stop, ["time budget"])
    timer.daemon = True
    timer.start()
    try:
        yield flag
    finally:
        timer.cancel()
