""":func:`train`: checks its arguments and starts the run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.engines import Engine, EngineSettings, engine_of_precision, started_engine
from deltarule.engines.threads import core_in_use
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.maths.dropout import per_layer
from deltarule.optimizers import SCHEDULES, Minimizer, Rule, Schedule
from deltarule.records import checked_flag
from deltarule.settings import checked
from deltarule.tables.packed_store import PackedRows
from deltarule.training import arguments, packed_arguments
from deltarule.training.batches import Batches, RowChunks, Rows
from deltarule.training.checkpoint import CheckpointSlot, RunSaver, as_slot
from deltarule.training.diagnosis.guard import Guard, GuardMode
from deltarule.training.interrupt import StopFlag, interruptible
from deltarule.training.minimizer_run import MinimizerRun
from deltarule.training.recovery import OnDivergence, Recovery, checked_policy
from deltarule.training.run import EpochEvent, Run, RunCallback, TrainingResult
from deltarule.training.run_description import describe_run
from deltarule.training.steps import StepRun
from deltarule.training.stopping import Stopping
from deltarule.training.threads import flag_of_this_thread

__all__ = ["train"]


def train(
    net: Network,
    X: Any,
    Y: Any = None,
    *,
    sample_weight: Any = None,
    validation: float | np.ndarray | Sequence[Any] | None = None,
    rule: str | Rule | Minimizer | Mapping[str, Any] = "adam",
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
    precision: str = "full",
    callbacks: Sequence[Callable[[EpochEvent], Any]] = (),
    stop: StopFlag | None = None,
    resume: TrainingResult | None = None,
    checkpoint: str | os.PathLike[str] | CheckpointSlot | None = None,
    on_divergence: OnDivergence = "raise",
    guard: GuardMode = "warn",
) -> TrainingResult:
    """Train a network by gradient descent on mini-batches, or by a minimizer.

    Each step moves θ by the rule along the gradient of Σ w_i C_i + penalty, with
    w_i = s_i/(s̄ B) in a batch of B rows. The same seed gives the same result, bit for bit.

    Parameters
    ----------
    net : Network
    X : array of shape (N, n_0), frame, sparse matrix, RowSource, or PackedRows
        A frame of pandas, Polars or PyArrow has columns of numbers, nullable ones included;
        sparse rows are made dense a batch at a time. Nothing may be missing. The rows of a store
        on disk (:func:`deltarule.tables.open_store`) have targets and weights with them.
    Y : array of shape (N, n_L), or (N,), or columns of a frame
        Left out with the rows of a store.
    sample_weight : array of shape (N,), optional
    validation : float, row numbers, or tuple (X, Y) or (X, Y, sample_weight), optional
        The share of the rows to hold out (stratified for classes), the numbers of the rows to
        hold out or a mask with True for them, or separate rows. X is not copied. With the rows of
        a store: those of another part of it.
    rule : str, Rule, Minimizer or mapping
        The update rule, see ``deltarule.optimizers.RULES``; or a minimizer such as
        ``"lbfgs"``, see ``MINIMIZERS``, which takes all rows at once. Each of its
        iterations is an epoch here. It finds its own step sizes, so dropout, L1, clipping,
        averaging and a schedule are refused.
    learning_rate : float
        η, multiplied by the schedule's factor. A minimizer does not use it.
    schedule : str, Schedule or mapping
        A name, or a name with parameters as text: ``"cosine(final=0.1)"``; see
        ``deltarule.optimizers.SCHEDULES``.
    batch_size : int or "auto"
        ``"auto"`` is 200, or all rows for a rule that needs the full batch.
    epochs : int
        The maximum number of passes over the training rows.
    shuffle : bool
        Whether each epoch has its own random order of the rows.
    order : callable, optional
        ``order(epoch)``, with epochs from 0, returns the order of the rows; by default it is
        drawn from the seed.
    seed : int
        The random seed of the initial parameters, the order, the split and dropout.
    theta : array of shape (p,), or function that returns one, optional
        Initial parameters; by default ``net.initial(seed)``. A function is called once, and again
        if the start is needed later; so nothing holds these parameters while the network trains.
    l2, l1 : float
        Strengths of the penalties α/(2 Σs) ‖W‖² and α/Σs ‖W‖₁.
    dropout : float or sequence of float
        The rate for each hidden layer.
    clip_norm : float, optional
        The largest norm of a step's gradient.
    averaging : float, optional
        The decay of a moving average of the parameters; the average is validated and returned.
    stopping : int, Stopping, or a sequence of them, optional
        An int is a patience in epochs.
    keep_best : bool
        With validation, whether to return the parameters of the best epoch, not of the last.
    scorer : callable, optional
        ``scorer(engine) -> float``, higher is better, called at the end of each epoch with
        the engine in use; the score is monitored in place of the loss.
    engine : str, Engine, or its class
        ``"auto"`` is the compiled engine where Numba is installed; see ``make_engine``.
    precision : {"full", "bfloat16"}
        With ``"bfloat16"`` the operands of matrix products are rounded to bfloat16, and all else is
        float32; see :func:`deltarule.engines.engine_of_precision`. The network has dtype float32.
        The result's θ is float32, and is predicted with in full precision.
    callbacks : sequence of callables
        Each is called with an :class:`EpochEvent` at the end of an epoch; one that returns a
        true value ends training.
    stop : StopFlag, optional
        Raised by another thread, it ends training after the current step. Ctrl-C does the same
        in the main thread.
    resume : TrainingResult, optional
        Continue from this result, which may have ended within an epoch, up to ``epochs`` in
        total: with the same arguments the result is that of an uninterrupted run. If its
        ``theta`` was changed, or its ``state`` is empty (``dataclasses.replace(result, state={})``,
        needed for another rule), training continues from ``theta`` with a fresh optimizer, and
        ``optimizer_reset`` of the new result says so. A schedule that depends on ``epochs``, such
        as ``"cosine"``, jumps if ``epochs`` differs from the first call; a warning names the
        rates.
    checkpoint : path or Checkpoint, optional
        A folder in which the run is saved every 30 seconds and at its end. If it holds the
        checkpoint of this very call, training goes on from there, and the result is that of an
        uninterrupted run; a minimizer begins anew. See :class:`~deltarule.training.Checkpoint`.
    on_divergence : {"raise", "restore_best", "halve_learning_rate"}
        What happens if training diverges: it raises ``Diverged``; or ends at the best epoch so far
        (the smallest monitored loss), with ``stop_reason`` ``StopReason.DIVERGED``; or goes on
        from the end of that epoch with half the learning rate. The history then has the epochs that
        were kept, and a callback is called for an epoch that is repeated again. Where no
        epoch was completed, ``"restore_best"`` raises, and ``"halve_learning_rate"`` goes on from
        the start.
    guard : {"warn", "quiet", "off"}
        Whether what keeps the network from learning (dead or saturated nodes, a vanishing or
        exploding gradient, a learning rate that is far off) is a ``TrainingWarning`` and in
        ``findings`` of the result, only there, or not looked for.

    Returns
    -------
    TrainingResult

    Raises
    ------
    Diverged
        If a cost, a gradient or the validation loss is not finite; it names epoch, batch,
        layer and block. Also if the loss at the end is finite, but a million times that of the
        start of this call, and of a network that has learned nothing. See ``on_divergence``.
    InputError, UnknownName
        If an argument does not fit, or the checkpoint is of another run.
    MissingCapability
        If the engine, or this processor, has no matrix products of the precision.
    FileError
        If the checkpoint's folder cannot be used.
    KeyboardInterrupt
        At a second Ctrl-C. The first one ends training, and the result may have no completed
        epoch; during compilation, before training, the first one raises too.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, train
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> net = Network([1, 8, 1], activation="tanh")
    >>> result = train(net, X, X**2, learning_rate=0.05, batch_size=16, epochs=150)
    >>> result.history.logs[-1].loss < 1e-3
    True
    """
    engine = engine_of_precision(engine, precision)
    method = arguments.rule_or_minimizer(rule)
    lr_schedule = SCHEDULES.get(schedule)
    rate = checked("learning_rate", learning_rate)
    epochs, seed = checked("epochs", epochs), checked("seed", seed)
    shuffle, keep_best = checked_flag("shuffle", shuffle), checked_flag("keep_best", keep_best)
    if order is not None and not callable(order):
        raise InputError(parameter="order", given=order, expected="a function of the epoch")
    batches: Batches
    validation_rows: Rows | RowChunks | None
    if isinstance(X, PackedRows):
        given = {"Y": Y, "sample_weight": sample_weight, "order": order}
        packed_arguments.refuse_arrays(given, callbacks)
        batches = packed_arguments.batches_of(net, X, batch_size, method, seed, shuffle)
        validation_rows = packed_arguments.validation_of(net, validation)
        total_weight = X.total_weight
    else:
        data = arguments.split_data(net, X, Y, sample_weight, validation, seed)
        batches = Batches(
            *data.all_rows,
            batch_size=arguments.batch_rows(batch_size, method, len(data.weights)),
            seed=seed,
            shuffle=shuffle,
            order=order,
            rows=data.training_numbers,
        )
        validation_rows, total_weight = data.validation_rows, float(data.weights.sum())
    settings = EngineSettings(
        rule="sgd" if isinstance(method, Minimizer) else method,
        l2=l2,
        l1=l1,
        total_weight=total_weight,
        dropout=per_layer(dropout),
        clip_norm=clip_norm,
        averaging=averaging,
        seed=seed,
    )
    arguments.check_start(theta, resume)
    if stop is not None and not isinstance(stop, StopFlag):
        raise InputError(f"stop is {stop!r}; expected a StopFlag")
    if scorer is not None and not callable(scorer):
        raise InputError(f"scorer is {scorer!r}; expected a function of the engine")
    worker_flag = flag_of_this_thread()
    # θ has no name here, so that its memory is freed once the engine has copied it.
    loaded_engine = started_engine(
        engine,
        net,
        arguments.initial_parameters(net, theta, seed),
        settings,
        None if worker_flag is None else 1,
        batches.batch_size,
    )
    common: dict[str, Any] = {
        "batches": batches,
        "validation_rows": validation_rows,
        "engine": loaded_engine,
        "epochs": epochs,
        "criteria": arguments.stopping_criteria(stopping),
        "keep_best": keep_best and (validation_rows is not None or scorer is not None),
        "owns_engine": not isinstance(engine, Engine),
        "scorer": scorer,
        "callbacks": arguments.as_callables("callbacks", callbacks),
        "start": lambda: arguments.initial_parameters(
            net, theta if resume is None else resume.theta, seed
        ),
        "guard": Guard(guard),
        "flag": next((flag for flag in (stop, worker_flag) if flag is not None), StopFlag()),
    }
    policy = checked_policy(on_divergence)
    run: Run
    if isinstance(method, Minimizer):
        arguments.refuse_step_settings(
            method,
            schedule=(str(lr_schedule), "constant", "which has no learning rate"),
            l1=(l1, 0.0, "which needs a cost that has a gradient"),
            dropout=(
                dropout if np.any(dropout) else 0.0,
                0.0,
                "which needs the same cost in every evaluation",
            ),
            clip_norm=(clip_norm, None, "whose steps are not the gradient"),
            averaging=(averaging, None, "whose last parameters are its best"),
            on_divergence=(policy, "raise", "which has no learning rate"),
            resume=(resume, None, "whose memory of earlier gradients is not kept: pass theta"),
        )
        run = MinimizerRun(minimizer=method, **common)
    else:
        recovery = None if policy == "raise" else Recovery(policy)
        if recovery is not None and any(isinstance(c, RunCallback) for c in common["callbacks"]):
            raise InputError(
                "a Recorder records a run without going back in it; give on_divergence='raise', or "
                "train without the Recorder",
                parameter="on_divergence",
            )
        run = StepRun(rate=rate, schedule=lr_schedule, recovery=recovery, **common)
        if resume is not None:
            run.resume(resume)
    loaded_engine.begin_run(lambda: describe_run(run))
    if checkpoint is None:
        return _trained(run)
    return _trained_from(as_slot(checkpoint), run)


def _trained(run: Run) -> TrainingResult:
    """Train to the end, and return the result."""
    started = time.perf_counter()
    # A thread of a pool is counted by the pool.
    counted = core_in_use() if flag_of_this_thread() is None else contextlib.nullcontext()
    with counted, interruptible(run.flag):
        stop_reason = run.run_with_callbacks()
    return run.result(stop_reason, time.perf_counter() - started)


def _trained_from(slot: CheckpointSlot, run: Run) -> TrainingResult:
    """Train from the newest saved state to the end, save the result, and return it."""
    slot.open()
    try:
        run.saver = RunSaver(slot, run)
        finished = run.saver.restore()
        return run.saver.finish(_trained(run)) if finished is None else finished
    finally:
        slot.close()
