"""Training many networks of one architecture on the same rows, one on each core."""

from __future__ import annotations

import contextlib
import functools
import inspect
import queue
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, overload

from deltarule.engines import Engine, EngineSettings
from deltarule.engines.threads import usable_threads
from deltarule.errors import Diverged, InputError, Message
from deltarule.maths import Network
from deltarule.settings import checked
from deltarule.training import arguments
from deltarule.training.batches import Rows
from deltarule.training.broadcasting import entries, is_data, networks, one_validation, one_vector
from deltarule.training.interrupt import StopFlag, interruptible
from deltarule.training.loop import train
from deltarule.training.progress_bar import Bar
from deltarule.training.run import EpochEvent, RunCallback, TrainingResult
from deltarule.training.threads import one_blas_thread, run_in_worker_thread

__all__ = ["train_many"]

# The longest wait in seconds before the progress bar is redrawn and signals are handled, which
# on some systems do not end the wait.
_POLL_SECONDS = 0.1


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
    callbacks: Sequence[Callable[[EpochEvent], Any]] = (),
    stop: StopFlag | None = None,
    workers: int | None = None,
    progress: bool | Callable[[int, int], Any] | None = None,
    on_diverged: Literal["raise", "keep"] = "raise",
    **options: Any,
) -> Any:
    """Train many networks of one architecture on the same rows, one on each core.

    Result k equals ``train(net, X, Y, seed=seeds[k], learning_rate=learning_rate[k], …)`` bit for
    bit, for any number of threads. X and Y are checked once and shared: a network, a fold or a
    bootstrap sample copies no rows.

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
        Of the initial parameters, the order, the split and dropout.
    learning_rate, l2, l1 : float, or K of them
    sample_weight : array of shape (N,) or (K, N), or K arrays or None, optional
        A row of weight 0 does not count, though it takes a place in a batch: for a bootstrap,
        say, how often each row was drawn.
    validation : optional
        As for :func:`deltarule.train`, or K such: shares, row numbers or masks. For the folds
        of a cross-validation, the numbers of the rows that each holds out.
    theta : array of shape (p,) or (K, p), or K arrays or None, optional
        Initial parameters.
    resume : K of TrainingResult or None, optional
        Go on where these ended, as those do that were interrupted.
    engine : str, or an engine's class
        Each network has an engine of its own.
    callbacks : sequence of callables
        Called as for :func:`deltarule.train`, in the thread of the network;
        ``event.network`` says which network it is, from 0.
    stop : StopFlag, optional
        Ends the training of all networks after their current steps. Ctrl-C does the same in the
        main thread. A network that has not begun is returned untrained, with no epochs.
    workers : int, optional
        The number of networks trained at the same time; by default the environment variable
        ``DELTARULE_THREADS``, else the number of cores of this process.
    progress : bool or callable, optional
        ``progress(done, total)`` is called in the calling thread after each network; True
        draws a bar on standard error.
    on_diverged : {"raise", "keep"}
        What happens if a network diverges, after all others are trained. ``"raise"`` raises its
        ``Diverged``, with the network's number as ``network`` and the results of all networks as
        ``results``; ``"keep"`` returns the ``Diverged`` in place of its result.
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
        If networks diverged, and ``on_diverged`` is ``"raise"``; it is that of the first.
    InputError, UnknownName
        If an argument does not fit, before anything is trained; it names the network.
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

    Two rates with two penalties each, four networks:

    >>> from itertools import product
    >>> rates, penalties = zip(*product([0.01, 0.05], [0, 1]))
    >>> len(train_many(net, X, X**2, learning_rate=rates, l2=penalties, epochs=10))
    4

    Four folds; what is held out of one is trained on in the others:

    >>> folds = np.arange(64) % 4
    >>> held = [folds == k for k in range(4)]
    >>> results = train_many(net, X, X**2, validation=held, keep_best=False, epochs=10)
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
    known = inspect.signature(train).parameters
    for name in options:
        if name not in known or name == "seed":
            hint = "; expected seeds, for all networks" if name == "seed" else ""
            raise TypeError(f"train_many() got an unexpected keyword argument {name!r}{hint}")
    if stop is not None and not isinstance(stop, StopFlag):
        raise InputError(f"stop is {stop!r}; expected a StopFlag")
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InputError(f"progress is {progress!r}; expected a function of (done, total), or True")
    data = arguments.checked_data(net, X, Y, None)
    if is_data(validation):
        validation = arguments.own_validation(net, validation)
    shared = {**options, "engine": engine}
    each = networks(
        {
            "seed": entries(seeds),
            "learning_rate": entries(learning_rate),
            "l2": entries(l2),
            "l1": entries(l1),
            "sample_weight": entries(sample_weight, one_vector),
            "validation": entries(validation, one_validation),
            "theta": entries(theta, one_vector),
            "resume": entries(resume),
        }
    )
    total = len(each)
    workers = usable_threads() if workers is None else arguments.whole("workers", workers, 1)
    callbacks = arguments.checked_callables("callbacks", callbacks)
    if any(isinstance(each, RunCallback) for each in callbacks):
        raise InputError(
            "callbacks holds a Recorder, which records one run; train_many has many: train the one "
            "that is to be recorded with train, which gives the same bits"
        )
    shared["engine"] = _check_arguments(net, data, each, shared)
    flag = stop if stop is not None else StopFlag()
    bar = Bar(total) if progress is True else None

    def one(index: int) -> TrainingResult:
        def on_epoch(event: EpochEvent) -> bool:
            event = event._replace(network=index)
            if bar is not None:
                bar.parts[index] = event.epoch / event.epochs
            return any(callback(event) for callback in callbacks)

        watching = [on_epoch] if callbacks or bar is not None else []
        with run_in_worker_thread(flag):
            return train(net, data, None, **shared, **each[index], callbacks=watching)

    def show(done: int, index: int) -> None:
        if bar is not None:
            bar.parts[index] = 1.0  # also if it stopped early
            bar.show(done)
        elif callable(progress):
            progress(done, total)

    results: list[Any] = [None] * total
    finished = _completed(one, total, workers, flag, bar)
    with interruptible(flag), one_blas_thread(), contextlib.closing(finished):
        for done, (index, future) in enumerate(finished, start=1):
            results[index] = _outcome(future, index, each)
            show(done, index)
    diverged = [result for result in results if isinstance(result, Diverged)]
    if diverged and on_diverged == "raise":
        first = diverged[0]
        first.results = results
        raise first
    return results


# -- checked ------------------------------------------------------------------------------


def _check_arguments(
    net: Network, data: Rows, each: list[dict[str, Any]], shared: dict[str, Any]
) -> Any:
    """Check the arguments of all networks; return the engine that trains them."""
    raised = StopFlag()
    raised.stop()
    engine = shared["engine"]
    for index, own in enumerate(each):
        with _naming_network(index, len(each)):
            if index == 0:
                # With a raised flag, train checks its arguments and takes no step.
                tried = train(net, data, None, **shared, **own, stop=raised)
                engine = tried.engine if engine == "auto" else engine
            else:
                _check(net, data, own)
    return engine


def _check(net: Network, data: Rows, own: dict[str, Any]) -> None:
    """Check the arguments that differ between networks."""
    seed = checked("seed", own["seed"])
    checked("learning_rate", own["learning_rate"])
    EngineSettings(l2=own["l2"], l1=own["l1"])
    arguments.split_data(net, data, None, own["sample_weight"], own["validation"], seed)
    arguments.check_start(own["theta"], own["resume"])
    if own["theta"] is not None:
        arguments.checked_theta(net, own["theta"], seed)


@contextlib.contextmanager
def _naming_network(index: int, total: int) -> Iterator[None]:
    """Prefix an error with the number of the network."""
    try:
        yield
    except InputError as error:
        if total == 1:
            raise
        raise error.prefixed(f"network {index} of 0 … {total - 1}: ") from None


# -- at once ------------------------------------------------------------------------------


_Ended = queue.SimpleQueue[tuple[int, Future[TrainingResult]]]


def _put(ended: _Ended, index: int, future: Future[TrainingResult]) -> None:
    ended.put((index, future))


def _completed(
    one: Callable[[int], TrainingResult],
    total: int,
    workers: int,
    flag: StopFlag,
    bar: Bar | None,
) -> Generator[tuple[int, Future[TrainingResult]], None, None]:
    """Train in a pool of threads; yield each network's number and future when it has ended."""
    ended: _Ended = queue.SimpleQueue()
    with ThreadPoolExecutor(min(workers, total), "deltarule") as pool:
        futures = [pool.submit(one, index) for index in range(total)]
        try:
            for index, future in enumerate(futures):
                future.add_done_callback(functools.partial(_put, ended, index))
            left = total
            while left:
                try:
                    pair = ended.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    if bar is not None:
                        bar.show(total - left)
                    continue
                left -= 1
                yield pair
        except BaseException:
            # The caller gave up: running networks end after their step, and no other begins.
            flag.stop("given up")
            for future in futures:
                future.cancel()
            raise


def _outcome(
    future: Future[TrainingResult], index: int, each: list[dict[str, Any]]
) -> TrainingResult | Diverged:
    """Return the result of a network, or its Diverged; raise any other error."""
    error = future.exception()
    if error is None:
        return future.result()
    own = each[index]
    where = f"network {index} of 0 … {len(each) - 1} (seed {own['seed']}"
    where += f", learning_rate {own['learning_rate']:g})"
    if not isinstance(error, Diverged):
        error.add_note(f"in {where}")
        raise error
    return Diverged(
        Message(f"{where}: ", error.message),
        epoch=error.epoch,
        batch=error.batch,
        layer=error.layer,
        block=error.block,
        network=index,
    )
