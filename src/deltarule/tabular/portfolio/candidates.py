"""Training the candidates of a portfolio: each configuration on each fold, in a pool of threads."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.threads import usable_threads
from deltarule.errors import Diverged, InputError
from deltarule.maths import Network
from deltarule.records import real_number
from deltarule.tabular.portfolio.configurations import Configuration
from deltarule.training import Model, TrainingResult, train
from deltarule.training.checkpoint import CheckpointSlot
from deltarule.training.checkpoint_pool import CheckpointPool
from deltarule.training.interrupt import StopFlag
from deltarule.training.job_backend import SentTrainings, chosen_backend, completed_trainings
from deltarule.training.recovery import OnDivergence
from deltarule.training.threads import one_blas_thread, run_in_worker_thread

__all__ = ["Candidate", "Progress", "deadline_of", "raised_at", "train_candidates"]


# Multiply-adds of a row from which on a step with products of bfloat16 is faster by half.
_LARGE = 1 << 12


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
    precision : {"full", "bfloat16"}
        Of the matrix products in training, if the network is large.
    models : dict of int to Model
        By the number of the fold that the network was not trained on.
    on_divergence : {"raise", "restore_best", "halve_learning_rate"}
        How a network that diverged is trained again; with ``"raise"`` it is an error.
    diverged : bool
        Whether one of its networks diverged when it was trained again too.
    divergences : dict of int to int
        The epoch of each network that diverged at first, by fold.
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
    precision: str = "full"
    models: dict[int, Model] = dataclasses.field(default_factory=dict)
    on_divergence: OnDivergence = "halve_learning_rate"
    diverged: bool = False
    divergences: dict[int, int | None] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    outputs: dict[int, NDArray[np.float64]] = dataclasses.field(default_factory=dict)

    def is_trained(self, folds: Iterable[int]) -> bool:
        """Whether there is a network for each of these folds, and none diverged."""
        return not self.diverged and all(fold in self.models for fold in folds)

    def optimism(self, folds: Sequence[int]) -> float:
        """Return by how much choosing epochs on the folds themselves understates the loss.

        Each network keeps the epoch of the least loss on its fold, so that the losses of noisy
        trainings are too low. Had it kept the epoch of the least mean loss on the other folds, the
        mean loss over folds were so many times as high, less 1; 0 if there are no other folds.
        """
        curves = [
            np.array([log.validation_loss for log in self.models[k].history.logs], np.float64)
            for k in folds
        ]
        shared = min(map(len, curves))
        if len(curves) < 2 or not shared:
            return 0.0
        total = np.sum([curve[:shared] for curve in curves], axis=0)
        own = sum(float(np.nanmin(curve)) for curve in curves)
        others = [np.nan_to_num(total - curve[:shared], nan=np.inf) for curve in curves]
        by_others = sum(
            float(curve[other.argmin()]) for curve, other in zip(curves, others, strict=True)
        )
        rise = by_others / own - 1 if own > 0 else 0.0
        return max(rise, 0.0) if np.isfinite(rise) else 0.0

    def held_out_outputs(self, fold: int, held_out: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the outputs a^L for the rows of a fold, of the network not trained on them."""
        if fold not in self.outputs:
            self.outputs[fold] = self.models[fold].predict(self.X[held_out]).astype(np.float64)
        return self.outputs[fold]

    def train_fold(
        self,
        fold: int,
        held_out: NDArray[np.int64],
        w: NDArray[np.float64],
        slot: CheckpointSlot | None = None,
        on_divergence: OnDivergence = "raise",
    ) -> TrainingResult:
        """Train a network without the rows of a fold; it keeps its best epoch on them.

        A network whose final state the slot holds is read from it.

        Raises
        ------
        Diverged
            If it diverged, and again if it was to be trained again.
        """
        X, Y = self.X, self.Y
        if self.training_rows is not None:
            rows = np.union1d(self.training_rows[fold], held_out)
            X, Y, w, held_out = X[rows], Y[rows], w[rows], np.searchsorted(rows, held_out)
        return train(
            self.net,
            X,
            Y,
            sample_weight=w,
            validation=held_out,
            **self.train_arguments(fold, len(X), on_divergence),
            checkpoint=slot,
        )

    def train_arguments(
        self, fold: int, n_rows: int, on_divergence: OnDivergence
    ) -> dict[str, Any]:
        """Return the arguments of a training on so many rows, but for the rows themselves."""
        settings = self.configuration
        return {
            "seed": self.first_seed + fold,
            "learning_rate": settings.learning_rate,
            "l2": settings.l2,
            "dropout": settings.dropout,
            "epochs": settings.epochs_for(n_rows),
            "batch_size": settings.batch_for(n_rows),
            "averaging": settings.averaging,
            "stopping": settings.patience_for(n_rows),
            "schedule": "cosine",
            "rule": "adam",
            "precision": self.precision if self.net.n_multiply_adds >= _LARGE else "full",
            # A configuration that learns little gets little weight, and a divergence is noted once.
            "guard": "off" if on_divergence == "raise" else "quiet",
            "on_divergence": on_divergence,
        }

    def note(self) -> str:
        """Return what became of networks that diverged, as a sentence; empty if none did."""
        if not self.divergences:
            return ""
        name, count = self.configuration.name, len(self.divergences)
        epoch = self.divergences[min(self.divergences)]
        when = "" if epoch is None else f" (the first in epoch {epoch})"
        if self.diverged:
            return (
                f"the configuration {name!r} has no part in the portfolio: {count} of its networks "
                f"diverged{when}, with a smaller learning rate too; columns with values out of all "
                "proportion, or a smaller learning_rate in configurations, may be why"
            )
        what = (
            "went back to its best epoch, and ended there"
            if self.on_divergence == "restore_best"
            else "was trained again with a smaller learning rate"
        )
        one = "1 network" if count == 1 else f"each of {count} networks"
        return f"{one} of the configuration {name!r} diverged{when}, and {what}"

    def key(self, fold: int) -> str:
        """Return the key of a fold's network in a checkpoint."""
        return f"{self.configuration.name}-{fold}"

    def untrained(self) -> Candidate:
        """Return the candidate without its networks."""
        return dataclasses.replace(self, models={}, outputs={})


class Progress:
    """Messages on the training of candidates, with the best out-of-fold loss so far.

    Parameters
    ----------
    show : callable, optional
        Called with a text when the training of a candidate begins, in a thread of training.
    loss_of : callable
        The out-of-fold loss of a candidate that is trained.
    loss_name : str
        With the rows that it is of.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> progress = Progress(print, lambda candidate: 0.5, "out-of-fold log loss")
    >>> progress.begin("linear")
    linear
    >>> progress.end(SimpleNamespace(configuration=SimpleNamespace(name="linear")))
    >>> progress.begin("silu")
    silu (best so far: linear, out-of-fold log loss 0.5)
    """

    def __init__(
        self,
        show: Callable[[str], Any] | None,
        loss_of: Callable[[Candidate], float],
        loss_name: str,
    ) -> None:
        self._show, self._loss_of, self._loss_name = show, loss_of, loss_name
        # Written by the thread that waits for candidates, and read by those that train.
        self._best, self._least = "", np.inf
        self._begun: set[str] = set()

    def begin(self, name: str) -> None:
        """Show that the training of a candidate begins; may be called in any thread."""
        if self._show is not None:
            again = " on the other folds" if name in self._begun else ""
            self._begun.add(name)
            self._show(f"{name}{again}{self._best}")

    def end(self, candidate: Candidate) -> None:
        """Take the loss of a trained candidate into account; called in one thread only."""
        if self._show is None:
            return
        loss = self._loss_of(candidate)
        if loss < self._least:
            self._least = loss
            name = candidate.configuration.name
            self._best = f" (best so far: {name}, {self._loss_name} {loss:.4g})"


def train_candidates(
    candidates: Sequence[Candidate],
    numbers: Sequence[int],
    folds: Sequence[NDArray[np.int64]],
    w: NDArray[np.float64],
    flag: StopFlag,
    progress: Progress,
    threads: int | None = None,
    pool: CheckpointPool | None = None,
    deadline: float | None = None,
) -> None:
    """Train every candidate on the folds of these numbers, as many networks at a time as threads.

    The result does not depend on the number of threads. A candidate with a network that diverged
    and could not be trained again is marked so. If the flag is raised, networks keep their best
    epoch so far, and those without one are left out. Unless ``threads`` is given, a backend of
    joblib that has processes of its own trains them; there they end at the deadline, a time of
    :func:`time.perf_counter`.
    """
    tasks = [(candidate, fold) for candidate in candidates for fold in numbers]

    def begin(index: int) -> tuple[Candidate, int]:
        candidate, fold = tasks[index]
        if fold == numbers[0]:
            progress.begin(candidate.configuration.name)
        return candidate, fold

    def train_here(
        candidate: Candidate, fold: int, policy: OnDivergence, key: str
    ) -> TrainingResult:
        slot = None if pool is None else pool.slot(key)
        with run_in_worker_thread(flag):
            return candidate.train_fold(fold, folds[fold], w, slot, policy)

    def train_again(candidate: Candidate, fold: int, epoch: int | None) -> TrainingResult:
        candidate.divergences[fold] = epoch
        key = f"{candidate.key(fold)}-again"
        return train_here(candidate, fold, candidate.on_divergence, key)

    def train_one(index: int) -> TrainingResult:
        # The states to go back to cost time, which networks that do not diverge need not spend.
        candidate, fold = begin(index)
        try:
            return train_here(candidate, fold, "raise", candidate.key(fold))
        except Diverged as error:
            if candidate.on_divergence == "raise":
                raise
            epoch = error.epoch  # the error holds the arrays of its frames
        return train_again(candidate, fold, epoch)

    def result_of(index: int, future: Future[TrainingResult]) -> TrainingResult:
        candidate, fold = tasks[index]
        try:
            return future.result()
        except Diverged as error:
            if candidate.on_divergence == "raise" or fold in candidate.divergences:
                raise
            epoch = error.epoch
        return train_again(candidate, fold, epoch)  # of a network in another process

    if not tasks or flag:
        return
    backend = chosen_backend() if threads is None else None
    sent = None
    if backend is not None:
        places = {id(candidate): place for place, candidate in enumerate(candidates)}

        def argument(index: int) -> tuple[int, int, float | None]:
            candidate, fold = begin(index)
            seconds = None if deadline is None else deadline - time.perf_counter()
            return places[id(candidate)], fold, seconds

        shared = [candidate.untrained() for candidate in candidates], folds, w
        sent = backend, SentTrainings(_train_sent, shared, argument)

    def goes_on(index: int, error: BaseException) -> bool:
        return isinstance(error, Diverged) and tasks[index][0].on_divergence != "raise"

    completed = completed_trainings(
        train_one,
        [candidate.key(fold) for candidate, fold in tasks],
        flag,
        goes_on=goes_on,
        workers=threads or usable_threads(),
        sent=sent,
        pool=pool,
    )
    with one_blas_thread(), contextlib.closing(completed):
        for index, future in completed:
            candidate, fold = tasks[index]
            try:
                result = result_of(index, future)
            except Diverged:
                if candidate.on_divergence == "raise":
                    raise
                candidate.diverged = True
                continue
            candidate.seconds += result.seconds
            if result.best_epoch > 0:
                candidate.models[fold] = Model(candidate.net, result.theta, result.history)
            if candidate.is_trained(numbers):
                progress.end(candidate)


def _train_sent(
    shared: tuple[Sequence[Candidate], Sequence[NDArray[np.int64]], NDArray[np.float64]],
    argument: tuple[int, int, float | None],
    slot: CheckpointSlot | None,
) -> TrainingResult:
    """Train a network where it was sent to, for so many seconds if given."""
    (candidates, folds, w), (place, fold, seconds) = shared, argument
    flag = StopFlag()
    deadline = None if seconds is None else time.perf_counter() + seconds
    with raised_at(deadline, flag), run_in_worker_thread(flag):
        return candidates[place].train_fold(fold, folds[fold], w, slot)


def deadline_of(time_budget: float | None, started: float | None) -> float | None:
    """Return when a time budget is over, by :func:`time.perf_counter`.

    Raises
    ------
    InputError
        If the time budget is no number above 0.

    Examples
    --------
    >>> deadline_of(60, started=10.0)
    70.0
    """
    if time_budget is None:
        return None
    seconds = real_number(time_budget) or 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(
            parameter="time_budget", given=time_budget, expected="seconds above 0, or None"
        )
    return (time.perf_counter() if started is None else started) + seconds


@contextlib.contextmanager
def raised_at(deadline: float | None, flag: StopFlag) -> Iterator[None]:
    """Within the block, the flag is raised at a time of :func:`time.perf_counter`, if given."""
    if deadline is None:
        yield
        return
    remaining = deadline - time.perf_counter()
    if remaining <= 0:
        flag.stop("time budget")
    timer = threading.Timer(max(remaining, 0.0), flag.stop, ["time budget"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
