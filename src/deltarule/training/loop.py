"""The training loop's door: :func:`train` checks its arguments and lets a run go."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.engines import Engine, EngineSettings, make_engine
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.maths.backprop import check_rows, check_weights
from deltarule.optimizers import RULES, SCHEDULES, Rule, Schedule
from deltarule.training.batches import Batches, RowSource, split_rows
from deltarule.training.interrupt import StopFlag, interruptible
from deltarule.training.run import Event, Rows, Run, TrainingResult
from deltarule.training.stopping import Patience, Stopping

__all__ = ["train"]


def train(
    net: Network,
    X: Any,
    Y: Any,
    *,
    sample_weight: Any = None,
    validation: float | tuple[Any, ...] | None = None,
    rule: str | Rule | Mapping[str, Any] = "adam",
    learning_rate: float = 1e-3,
    schedule: str | Schedule | Mapping[str, Any] = "constant",
    batch_size: int | str = "auto",
    epochs: int = 200,
    shuffle: bool = True,
    order: Callable[[int], np.ndarray] | None = None,
    seed: int = 0,
    theta: Any = None,
    l2: float = 0.0,
    l1: float = 0.0,
    dropout: float | Sequence[float] = 0.0,
    clip_norm: float | None = None,
    averaging: float | None = None,
    stopping: int | Stopping | Sequence[Stopping] | None = None,
    keep_best: bool = True,
    scorer: Callable[[Engine], float] | None = None,
    engine: str | Engine | type[Engine] = "auto",
    callbacks: Sequence[Callable[[Event], Any]] = (),
    stop: StopFlag | None = None,
    resume: TrainingResult | None = None,
) -> TrainingResult:
    """Train a network by gradient descent on mini-batches.

    Each step moves θ by the rule along the gradient of Σ w_i C_i + penalty, with
    w_i = s_i/(s̄ B) in a batch of B rows. The same seed gives the same result, bit for bit.

    Parameters
    ----------
    net : Network
    X : array of shape (N, n_0), or RowSource
    Y : array of shape (N, n_L), or (N,)
    sample_weight : array of shape (N,), optional
    validation : float, or tuple (X, Y) or (X, Y, sample_weight), optional
        A share of the rows to hold out (stratified for classes), or rows of your own.
    rule : str, Rule or mapping
        The update rule; see ``deltarule.optimizers.RULES``.
    learning_rate : float
        η, multiplied by the schedule's factor.
    schedule : str, Schedule or mapping
    batch_size : int or "auto"
        ``"auto"`` is 200, or all rows for a rule that needs the full batch.
    epochs : int
        At most so many passes over the training rows.
    shuffle : bool
        Whether each epoch has an order of its own.
    order : callable, optional
        ``order(epoch)``, with epochs from 0, gives the rows' order instead of the seed.
    seed : int
        Of the initial parameters, the order, the split and dropout.
    theta : array of shape (p,), optional
        Initial parameters; by default ``net.initial(seed)``.
    l2, l1 : float
        Strengths of the penalties α/(2 Σs) ‖W‖² and α/Σs ‖W‖₁.
    dropout : float or sequence of float
        The rate for each hidden layer.
    clip_norm : float, optional
        The largest norm of a step's gradient.
    averaging : float, optional
        The decay of a moving average of the parameters; the average is validated and given.
    stopping : int, Stopping, or a sequence of them, optional
        An int is a patience in epochs.
    keep_best : bool
        With validation, whether to give the parameters of the best epoch, not the last.
    scorer : callable, optional
        ``scorer(engine) -> float``, higher is better, called at the end of each epoch with
        the live engine; what it gives is monitored instead of the loss.
    engine : str, Engine, or its class
    callbacks : sequence of callables
        Each is called with an :class:`Event` at the end of an epoch; one that returns a
        true value ends training.
    stop : StopFlag, optional
        A flag to end training from elsewhere, after the step it is in. Ctrl-C does that too
        in the main thread.
    resume : TrainingResult, optional
        Go on where this result ended, up to ``epochs`` in all: with the same arguments the
        outcome is that of an uninterrupted run.

    Returns
    -------
    TrainingResult

    Raises
    ------
    Diverged
        If a cost, a gradient or the validation loss is not finite; it names epoch, batch,
        layer and block.
    InputError, UnknownName
        If an argument does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, train
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> net = Network([1, 8, 1], activation="tanh")
    >>> result = train(net, X, X**2, learning_rate=0.05, batch_size=16, epochs=150)
    >>> result.history.records[-1].loss < 1e-3
    True
    """
    record = RULES.get(rule)
    curve = SCHEDULES.get(schedule)
    _check_numbers(learning_rate, epochs)
    rows = _checked(net, X)
    targets = net.loss.prepare(Y, len(rows), net.n_outputs, net.dtype)
    s = check_weights(sample_weight, len(rows))
    training, held = _divide(net, rows, targets, s, validation, seed)
    if not training.s.sum() > 0:
        raise InputError(
            f"the weights of the {len(training.s)} training rows add to 0; "
            "expected at least one positive weight"
        )
    batches = Batches(
        training.X,
        training.Y,
        training.s,
        _batch_size(batch_size, record, len(training.X)),
        seed,
        shuffle,
        order,
    )
    settings = EngineSettings(
        rule=record,
        l2=l2,
        l1=l1,
        total_weight=float(training.s.sum()),
        dropout=dropout if isinstance(dropout, int | float) else tuple(dropout),
        clip_norm=clip_norm,
        averaging=averaging,
        seed=seed,
    )
    runner = make_engine(engine)
    runner.load(net, net.initial(seed) if theta is None else net.check_theta(theta), settings)
    run = Run(
        batches=batches,
        held=held,
        engine=runner,
        rate=learning_rate,
        schedule=curve,
        epochs=epochs,
        criteria=_criteria(stopping),
        keep_best=keep_best and (held is not None or scorer is not None),
        scorer=scorer,
        callbacks=tuple(callbacks),
        flag=stop if stop is not None else StopFlag(),
    )
    if resume is not None:
        run.resume(resume)
    started = time.perf_counter()
    with interruptible(run.flag):
        reason = run.go()
    return run.result(reason, time.perf_counter() - started)


def _checked(net: Network, X: Any) -> np.ndarray | RowSource:
    if not isinstance(X, RowSource):
        return check_rows(net, X)
    if X.shape[1] != net.n_inputs:
        raise InputError(f"X has shape {X.shape}; expected (N, {net.n_inputs})")
    return X


def _check_numbers(learning_rate: float, epochs: int) -> None:
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise InputError(f"learning_rate is {learning_rate!r}; expected a finite number > 0")
    if isinstance(epochs, bool) or not isinstance(epochs, int | np.integer) or epochs < 1:
        raise InputError(f"epochs is {epochs!r}; expected a whole number, at least 1")


def _batch_size(batch_size: int | str, rule: Rule, n_rows: int) -> int:
    if batch_size == "auto":
        return n_rows if rule.full_batch else min(200, n_rows)
    whole = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if not whole or int(batch_size) < 1:
        raise InputError(f"batch_size is {batch_size!r}; expected 'auto' or a whole number ≥ 1")
    if rule.full_batch and int(batch_size) < n_rows:
        raise InputError(
            f"rule {rule.name!r} compares signs of successive gradients and needs all "
            f"{n_rows} rows in every step; batch_size is {batch_size}. Use 'auto'"
        )
    return int(batch_size)


def _criteria(stopping: int | Stopping | Sequence[Stopping] | None) -> tuple[Stopping, ...]:
    if stopping is None:
        return ()
    if isinstance(stopping, int):
        return (Patience(stopping),)
    return tuple(stopping) if isinstance(stopping, Sequence) else (stopping,)


def _divide(
    net: Network,
    X: np.ndarray | RowSource,
    Y: np.ndarray,
    s: np.ndarray,
    validation: float | tuple[Any, ...] | None,
    seed: int,
) -> tuple[Rows, Rows | None]:
    if len(X) == 0:
        raise InputError("X has no rows; expected at least one")
    whole = Rows(X, Y, s)
    if validation is None:
        return whole, None
    if isinstance(validation, tuple | list):
        if len(validation) not in (2, 3):
            raise InputError(
                f"validation has {len(validation)} items; expected (X, Y) or (X, Y, sample_weight)"
            )
        rows = _checked(net, validation[0])
        targets = net.loss.prepare(validation[1], len(rows), net.n_outputs, net.dtype)
        weights = check_weights(validation[2] if len(validation) == 3 else None, len(rows))
        if not weights.sum() > 0:
            raise InputError("validation has no row with a positive weight; give some, or None")
        return whole, Rows(rows, targets, weights)
    classes = None
    if net.loss.targets == "classes":
        classes = Y.argmax(axis=1)
    elif net.loss.targets == "unit" and net.n_outputs == 1:
        classes = Y[:, 0]
    kept, out = split_rows(len(X), float(validation), seed, classes)
    return Rows(X[kept], Y[kept], s[kept]), Rows(X[out], Y[out], s[out])
