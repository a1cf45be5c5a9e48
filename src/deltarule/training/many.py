"""Training many networks of one architecture on the same rows, one on each core."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Literal, cast, overload

from deltarule.engines import (
    Engine,
    EngineGroup,
    EngineSettings,
    engine_of_precision,
    make_engine,
)
from deltarule.engines.threads import usable_threads
from deltarule.errors import Diverged, InputError, Message
from deltarule.maths import Network
from deltarule.records import checked_integer
from deltarule.settings import checked
from deltarule.training import arguments
from deltarule.training.batches import Rows
from deltarule.training.broadcasting import (
    arguments_by_network,
    is_data,
    is_one_validation,
    is_one_vector,
    per_network,
)
from deltarule.training.checkpoint import Checkpoint, CheckpointSlot, as_checkpoint
from deltarule.training.checkpoint_pool import CheckpointPool
from deltarule.training.diagnosis.guard import GuardMode, quiet_mode, warn_of_many
from deltarule.training.interrupt import StopFlag, interruptible
from deltarule.training.job_backend import SentTrainings, chosen_backend, completed_trainings
from deltarule.training.loop import train
from deltarule.training.progress_bar import Bar
from deltarule.training.run import EpochEvent, RunCallback, TrainingResult
from deltarule.training.threads import one_blas_thread, run_in_worker_thread

__all__ = ["train_many"]


@overload
def train_many(
    net: Network, X: Any, Y: Any, *, on_diverged: Literal["raise"] = "raise", **options: Any
) -> list[TrainingResult]: ...


@overload
def train_many(
    net: Network, X: Any, Y: Any, *, on_diverged: Literal["keep"], **options: Any
) -> list[TrainingResult | Diverged]: ...


def train_many(
    net: Network,
    X: Any,
    Y: Any,
    *,
    seeds: int | Sequence[int] = 0,
    learning_rate: float | Sequence[float] = 1e-3,
    l2: float | Sequence[float] = 0.0,
    l1: float | Sequence[float] = 0.0,
    sample_weight: Any = None,
    validation: Any = None,
    theta: Any = None,
    resume: Sequence[TrainingResult | None] | None = None,
    engine: str | type[Engine] = "auto",
    precision: str = "full",
    callbacks: Sequence[Callable[[EpochEvent], Any]] = (),
    stop: StopFlag | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    workers: int | None = None,
    progress: bool | Callable[[int, int], Any] | None = None,
    on_diverged: Literal["raise", "keep"] = "raise",
    guard: GuardMode = "warn",
    **options: Any,
) -> Any:
    """Train many networks of one architecture on the same rows, one on each core.

    Result k equals ``train(net, X, Y, seed=seeds[k], learning_rate=learning_rate[k], …)`` bit for
    bit, for any number of threads. X and Y are checked once and shared: a network, a fold or a
    bootstrap sample copies no rows. With ``engine="jax"`` one program takes the steps of up to 256
    networks together, and a result equals that of ``train`` up to rounding. Within
    ``joblib.parallel_config("ray")`` or another backend of joblib with processes of its own, the
    networks are trained there, with the same bits.

    A sequence has one entry for each network, and all sequences have the same length; any other
    value is shared by all networks.

    Parameters
    ----------
    net : Network
    X : array of shape (N, n_0), frame, sparse matrix, or RowSource
        A frame of pandas, Polars or PyArrow has columns of numbers, nullable ones included;
        sparse rows are made dense a batch at a time. Nothing may be missing.
    Y : array of shape (N, n_L), or (N,), or columns of a frame
    seeds : int, or K of them
        The random seeds of the initial parameters, the order, the split and dropout.
    learning_rate, l2, l1 : float, or K of them
    sample_weight : array of shape (N,) or (K, N), or K arrays or None, optional
        A row of weight 0 has no effect, but takes a place in a batch. For a bootstrap, the
        number of times that each row was drawn.
    validation : optional
        As for :func:`deltarule.train`, or K of them: shares, row numbers or masks. For a
        cross-validation, the numbers of the rows that each fold holds out.
    theta : array of shape (p,) or (K, p), or K arrays or None, optional
        Initial parameters.
    resume : K of TrainingResult or None, optional
        The results to continue from.
    engine : str, or an engine's class
        Each network has its own engine.
    precision : {"full", "bfloat16"}
        As for :func:`deltarule.train`.
    callbacks : sequence of callables
        Called as for :func:`deltarule.train`, in the thread of the network;
        ``event.network`` says which network it is, from 0.
    stop : StopFlag, optional
        Ends the training of all networks after their current steps. Ctrl-C does the same in the
        main thread. A network that has not begun is returned untrained, with no epochs.
    checkpoint : path or Checkpoint, optional
        A folder in which trained networks are saved, together and at most every 30 seconds, and
        the states of those that are in training for longer. The same call goes on from there, with
        the results of an uninterrupted one.
    workers : int, optional
        The number of networks trained at the same time; by default the environment variable
        ``DELTARULE_THREADS``, else the number of cores of this process. ``"jax"`` has its own. If
        given, networks are trained in this process, whatever joblib's context says.
    progress : bool or callable, optional
        ``progress(done, total)`` is called in the calling thread after each network; True
        draws a bar on standard error.
    on_diverged : {"raise", "keep"}
        What happens if a network diverges, after all others are trained. ``"raise"`` raises its
        ``Diverged``, with the network's number as ``network`` and the results of all networks as
        ``results``; ``"keep"`` returns the ``Diverged`` in place of its result.
    guard : {"warn", "quiet", "off"}
        As for :func:`deltarule.train`; findings of the same kind are one warning, which says how
        many networks they are of.
    **options
        Other arguments of :func:`deltarule.train`, shared by all networks: ``rule``, ``epochs``,
        ``batch_size``, ``dropout``, ``stopping`` … Functions (``order``, ``scorer``) are called
        from several threads.

    Returns
    -------
    list of TrainingResult
        One for each network, in their order.

    Raises
    ------
    Diverged
        If networks diverged and ``on_diverged`` is ``"raise"``; the error of the first one.
    InputError, UnknownName
        If an argument does not fit, before training begins; the message names the network.
    WorkerFailed
        If a backend of joblib cannot be sent the networks, or loses its workers again and again.
    KeyboardInterrupt
        At a second Ctrl-C.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, train_many
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> net = Network([1, 8, 1], activation="tanh")
    >>> results = train_many(net, X, X**2, seeds=range(4), learning_rate=0.05, batch_size=16,
    ...                      epochs=100)
    >>> [result.history.logs[-1].loss < 0.01 for result in results]
    [True, True, True, True]

    Four networks, with each pair of two learning rates and two penalties:

    >>> from itertools import product
    >>> rates, penalties = zip(*product([0.01, 0.05], [0, 1]))
    >>> len(train_many(net, X, X**2, learning_rate=rates, l2=penalties, epochs=10))
    4

    Cross-validation with four folds, each a mask of the rows to hold out:

    >>> folds = np.arange(64) % 4
    >>> masks = [folds == k for k in range(4)]
    >>> results = train_many(net, X, X**2, validation=masks, keep_best=False, epochs=10)
    >>> loss = np.mean([result.history.logs[-1].validation_loss for result in results])
    """
    if on_diverged not in ("raise", "keep"):
        raise InputError(f"on_diverged is {on_diverged!r}; expected 'raise' or 'keep'")
    if isinstance(engine, Engine):
        raise InputError(
            f"engine is one {type(engine).__name__}, which holds one network",
            parameter="engine",
            expected="a name, or the engine's class",
        )
    engine = cast("str | type[Engine]", engine_of_precision(engine, precision))
    accepted = inspect.signature(train).parameters
    for name in options:
        if name not in accepted or name == "seed":
            hint = "; expected seeds, for all networks" if name == "seed" else ""
            raise TypeError(f"train_many() got an unexpected keyword argument {name!r}{hint}")
    if stop is not None and not isinstance(stop, StopFlag):
        raise InputError(f"stop is {stop!r}; expected a StopFlag")
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InputError(f"progress is {progress!r}; expected a function of (done, total), or True")
    data = arguments.rows_of_data(net, X, Y, None)
    if is_data(validation):
        validation = arguments.validation_of_tuple(net, validation)
    shared = {**options, "engine": engine, "guard": quiet_mode(guard)}
    per_run = arguments_by_network(
        {
            "seed": per_network(seeds),
            "learning_rate": per_network(learning_rate),
            "l2": per_network(l2),
            "l1": per_network(l1),
            "sample_weight": per_network(sample_weight, is_one_vector),
            "validation": per_network(validation, is_one_validation),
            "theta": per_network(theta, is_one_vector),
            "resume": per_network(resume),
        }
    )
    total = len(per_run)
    backend = chosen_backend() if workers is None else None
    workers = usable_threads() if workers is None else checked_integer("workers", workers, 1)
    callbacks = arguments.as_callables("callbacks", callbacks)
    if backend is not None and callbacks:
        raise InputError(
            f"callbacks were given, and joblib's {backend.name} trains in other processes",
            parameter="callbacks",
            expected="none, or progress, which is called in this process",
            hint="give workers, or leave joblib's context, to train in this process",
        )
    if any(isinstance(callback, RunCallback) for callback in callbacks):
        raise InputError(
            "callbacks holds a Recorder, which records one run; train_many has many: train the one "
            "that is to be recorded with train, which gives the same bits"
        )
    shared["engine"] = _check_arguments(net, data, per_run, shared)
    group, workers = _group(shared["engine"], total, workers)
    flag = stop if stop is not None else StopFlag()
    bar = Bar(total) if progress is True else None
    pool: CheckpointPool | None = None

    def train_one(index: int) -> TrainingResult:
        def on_epoch(event: EpochEvent) -> bool:
            event = event._replace(network=index)
            if bar is not None:
                bar.progress[index] = event.epoch / event.epochs
            return any(callback(event) for callback in callbacks)

        epoch_callbacks = [on_epoch] if callbacks or bar is not None else []
        slot = None if pool is None else pool.slot(str(index))
        with run_in_worker_thread(flag):
            given = {**shared, **per_run[index], "callbacks": epoch_callbacks}
            if group is None:
                return train(net, data, None, **given, checkpoint=slot)
            try:
                given["engine"] = group.engine()
                return train(net, data, None, **given, checkpoint=slot)
            finally:
                group.leave()

    def report_progress(done: int, index: int) -> None:
        if bar is not None:
            bar.progress[index] = 1.0  # also if training stopped before the last epoch
            bar.show(done)
        elif callable(progress):
            progress(done, total)

    results: list[Any] = [None] * total
    show_waiting = None if bar is None else bar.show
    with contextlib.ExitStack() as stack:
        if checkpoint is not None:
            saved = as_checkpoint(checkpoint)
            pool = stack.enter_context(CheckpointPool(saved, {"networks": total}))
        sent = None
        if backend is not None:
            what = SentTrainings(_train_sent, (net, data, shared), per_run.__getitem__)
            sent = backend, what
        completed = completed_trainings(
            train_one,
            list(map(str, range(total))),
            flag,
            goes_on=lambda index, error: isinstance(error, Diverged),
            workers=workers,
            sent=sent,
            pool=pool,
            on_wait=show_waiting,
            on_cancelled=group.leave if group is not None else lambda: None,
        )
        stack.enter_context(interruptible(flag))
        stack.enter_context(one_blas_thread())
        stack.enter_context(contextlib.closing(completed))
        for done, (index, future) in enumerate(completed, start=1):
            results[index] = _outcome(future, index, per_run)
            report_progress(done, index)
    diverged = [result for result in results if isinstance(result, Diverged)]
    if diverged and on_diverged == "raise":
        first = diverged[0]
        first.results = results
        raise first
    if guard == "warn":
        trained = [result for result in results if isinstance(result, TrainingResult)]
        warn_of_many([result.findings for result in trained])
    return results


def _train_sent(
    shared: tuple[Network, Rows, dict[str, Any]], own: dict[str, Any], slot: CheckpointSlot | None
) -> TrainingResult:
    """Train one network where it was sent to."""
    net, data, options = shared
    return train(net, data, None, **options, **own, checkpoint=slot)


# How many networks an engine may train together: each has a thread.
_MOST_TOGETHER = 256


def _group(engine: Any, total: int, workers: int) -> tuple[EngineGroup | None, int]:
    """The group of engines that take steps together, if the engine has one, and the threads."""
    if isinstance(engine, str):
        engine = type(make_engine(engine))
    together = min(total, _MOST_TOGETHER)
    group: EngineGroup | None = engine.group(total, together)
    return (None, workers) if group is None else (group, together)


def _check_arguments(
    net: Network, data: Rows, per_run: list[dict[str, Any]], shared: dict[str, Any]
) -> Any:
    """Check the arguments of all networks; return the engine that trains them."""
    raised_flag = StopFlag()
    raised_flag.stop()
    engine = shared["engine"]
    for index, run_arguments in enumerate(per_run):
        with _naming_network(index, len(per_run)):
            if index == 0:
                # With a raised flag, train checks its arguments and takes no step.
                result = train(net, data, None, **shared, **run_arguments, stop=raised_flag)
                engine = result.engine if engine == "auto" else engine
            else:
                _check(net, data, run_arguments)
    return engine


def _check(net: Network, data: Rows, run_arguments: dict[str, Any]) -> None:
    """Check the arguments that differ between networks."""
    values = run_arguments
    seed, theta = checked("seed", values["seed"]), values["theta"]
    checked("learning_rate", values["learning_rate"])
    EngineSettings(l2=values["l2"], l1=values["l1"])
    arguments.split_data(net, data, None, values["sample_weight"], values["validation"], seed)
    arguments.check_start(theta, values["resume"])
    if theta is not None:
        arguments.initial_parameters(net, theta, seed)


@contextlib.contextmanager
def _naming_network(index: int, total: int) -> Iterator[None]:
    """Prefix an error with the number of the network."""
    try:
        yield
    except InputError as error:
        if total == 1:
            raise
        raise error.prefixed(f"network {index} of 0 … {total - 1}: ") from None


def _outcome(
    future: Future[TrainingResult], index: int, per_run: list[dict[str, Any]]
) -> TrainingResult | Diverged:
    """Return the result of a network, or its Diverged; raise any other error."""
    error = future.exception()
    if error is None:
        return future.result()
    values = per_run[index]
    where = f"network {index} of 0 … {len(per_run) - 1} (seed {values['seed']}"
    where += f", learning_rate {values['learning_rate']:g})"
    if not isinstance(error, Diverged):
        error.add_note(f"in {where}")
        raise error
    return Diverged(
        Message(f"{where}: ", error.message),
        epoch=error.epoch,
        batch=error.batch,
        layer=error.layer,
        block=error.block,
        row=error.row,
        network=index,
    )
