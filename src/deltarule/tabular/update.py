"""Further training of a portfolio on new rows, with its encoders kept."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import Diverged, InputError
from deltarule.settings import checked
from deltarule.tables import TypedColumns
from deltarule.tabular.portfolio import Member, Portfolio, TargetScale
from deltarule.tabular.portfolio.folds import make_folds
from deltarule.tabular.portfolio.losses import Criterion
from deltarule.tabular.portfolio.out_of_fold import mean_over_folds
from deltarule.training import Model, StopFlag, StopReason, train_many

__all__ = ["Updated", "update_portfolio"]

_LEAST_ROWS, _MOST_FOLDS = 20, 8
_EPOCHS, _PATIENCE = 60, 10
# Of the learning rate of a configuration: the parameters are to move, and not to be drawn anew.
_RATE = 0.3


@dataclasses.dataclass(frozen=True, eq=False)
class Updated:
    """A portfolio that was trained further.

    Attributes
    ----------
    portfolio : Portfolio
        Its ``oof`` are the predictions for the new rows, each row's by the networks that were not
        trained on it. Members of weight 0 are left out.
    before, after : float
        The mean loss on the new rows: of the portfolio as it was, and of ``oof``.
    moved : int
        How many networks were trained further.
    kept, diverged : int
        How many stayed as they were, since their loss on their fold became no lower, and since
        their training diverged.
    """

    portfolio: Portfolio
    before: float
    after: float
    moved: int
    kept: int
    diverged: int

    @property
    def losses(self) -> dict[str, float]:
        """``before`` and ``after``."""
        return {"before": self.before, "after": self.after}

    @property
    def counts(self) -> dict[str, int]:
        """``moved``, ``kept`` and ``diverged``."""
        return {"moved": self.moved, "kept": self.kept, "diverged": self.diverged}

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of networks that diverged, or of all if none was trained further."""
        total, notes = self.moved + self.kept + self.diverged, []
        if self.diverged:
            notes.append(
                f"{self.diverged} of {total} networks diverged in training on the new rows, and "
                "stayed as they were; columns with values out of all proportion are the usual "
                "reason: compare the new rows with those of training"
            )
        if self.kept and not self.moved:
            notes.append(
                f"no network was trained further: the loss of {self.kept} of {total} on rows held "
                "out became no lower, so they stayed as they were"
            )
        return tuple(notes)


def update_portfolio(
    portfolio: Portfolio,
    typed: TypedColumns,
    y: NDArray[Any],
    criterion: Criterion,
    *,
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Updated:
    """Train the networks of a portfolio further on new rows.

    Each network goes on from its parameters, at three tenths of its learning rate, on the new rows
    without one fold of them; it stays as it was if that gives no lower loss on the fold. Encoders,
    weights of members and the temperature stay. The result is the same for any number of threads.

    Parameters
    ----------
    portfolio : Portfolio
    typed : TypedColumns
        The new rows alone.
    y : array of shape (N,)
        Class numbers, or numbers.
    criterion : callable
        The mean loss, of predictions, targets and weights that add to 1.
    weights : array of shape (N,), optional
        Row weights above 0.
    seed : int
        Of folds and batches.
    threads : int, optional
        How many networks are trained at the same time; as many as there are cores unless given.

    Raises
    ------
    InputError
        If there are fewer than 20 rows; if a target is not above 0 and networks learned the
        logarithm of targets, or below 0 and they learned with Poisson's loss; if the seed is no
        whole number of at least 0.
    KeyboardInterrupt
        After Ctrl-C.

    Examples
    --------
    See :meth:`deltarule.TabularRegressor.update`.
    """
    n_rows, seed = len(typed), checked("seed", seed)
    if n_rows < _LEAST_ROWS:
        raise InputError(
            f"there are {n_rows} new rows; expected at least {_LEAST_ROWS}, so that folds of them "
            "can show whether training on them helps; fit again with the old rows and these"
        )
    target = portfolio.target
    if not target.n_classes:
        _check_numbers(portfolio, y)
        low, high = min(target.low, float(y.min())), max(target.high, float(y.max()))
        target = dataclasses.replace(target, low=low, high=high)
    w = np.ones(n_rows) if weights is None else weights
    shares = w / w.sum()
    before = criterion(portfolio.predict(typed), y, shares)
    classes = y if target.n_classes else None
    flag = StopFlag()
    members: list[Member] = []
    counts: Counter[str] = Counter()
    total: Any = 0.0
    for member in portfolio.used:
        n_folds = min(len(member.models), _MOST_FOLDS)
        folds = make_folds(n_rows, classes, None, seed, n_folds=n_folds)
        X = portfolio.encoder_of(member).transform(typed, dtype=np.float32)
        trained, oof, became = _train_further(
            member, X, y, w, folds, criterion, target, seed, threads, flag
        )
        members.append(trained)
        counts.update(became)
        total = total + member.weight * oof
    oof = target.calibrate(total, portfolio.temperature)
    updated = dataclasses.replace(
        portfolio, target=target, members=tuple(members), oof=oof, folds=()
    )
    after = criterion(oof, y, shares)
    return Updated(
        updated, before, after, **{name: counts[name] for name in ("moved", "kept", "diverged")}
    )


def _check_numbers(portfolio: Portfolio, y: NDArray[np.float64]) -> None:
    """Refuse targets that the networks' own scale or loss does not have."""
    row = int(y.argmin())
    logarithms = any(member.configuration.log_target for member in portfolio.used)
    counts = portfolio.used[0].models[0].net.loss.targets == "nonnegative"
    if (logarithms and y[row] <= 0) or (counts and y[row] < 0):
        expected = "numbers above 0, whose logarithms" if logarithms else "numbers of at least 0;"
        learned = "networks of the portfolio learned" if logarithms else "its loss is of these"
        raise InputError(
            f"the target is {y[row]:g} in new row {row + 1}; expected {expected} {learned}; fit "
            "again with the old rows and these"
        )


def _train_further(
    member: Member,
    X: NDArray[np.float32],
    y: NDArray[Any],
    w: NDArray[np.float64],
    folds: list[NDArray[np.int64]],
    criterion: Criterion,
    target: TargetScale,
    seed: int,
    threads: int | None,
    flag: StopFlag,
) -> tuple[Member, NDArray[np.float64], list[str]]:
    """Return a member with its networks trained further, and its out-of-fold predictions.

    The last says of each network whether it ``"moved"``, was ``"kept"``, or ``"diverged"``.
    """
    settings, net = member.configuration, member.models[0].net
    held_out = [folds[k % len(folds)] for k in range(len(member.models))]
    results = train_many(
        net,
        X,
        target.encode(net, y, settings.log_target),
        seeds=range(seed, seed + len(held_out)),
        theta=[model.theta for model in member.models],
        sample_weight=w,
        validation=held_out,
        learning_rate=_RATE * settings.learning_rate,
        l2=settings.l2,
        dropout=settings.dropout,
        epochs=_EPOCHS,
        batch_size=settings.batch_for(len(X)),
        stopping=_PATIENCE,
        schedule="cosine",
        rule="adam",
        on_diverged="keep",
        guard="off",
        workers=threads,
        stop=flag,
    )
    if flag and flag.stopped.reason is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    models, kept, became = [], [], []
    for model, result, rows in zip(member.models, results, held_out, strict=True):
        candidates = [model]
        if not isinstance(result, Diverged):
            candidates.append(Model(net, result.theta, result.history))
        outputs = [
            target.decode(each.predict(X[rows]).astype(np.float64), settings.log_target)
            for each in candidates
        ]
        of_rows = w[rows] / w[rows].sum()
        best = int(np.argmin([criterion(each, y[rows], of_rows) for each in outputs]))
        models.append(candidates[best])
        kept.append(outputs[best])
        stayed = "diverged" if len(candidates) == 1 else "kept"
        became.append("moved" if best else stayed)
    oof = mean_over_folds(len(X), held_out, kept)
    return dataclasses.replace(member, models=tuple(models)), oof, became
