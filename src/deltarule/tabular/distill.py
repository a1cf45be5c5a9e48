"""One network trained on the predictions of a portfolio, to be explained or exported."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.settings import checked
from deltarule.tables import Schema, TargetEncoder, TypedColumns
from deltarule.tabular.bootstrap import bootstrap_intervals
from deltarule.tabular.network_fit import true_values
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.network_targets import loss_and_output
from deltarule.tabular.portfolio import Member, Portfolio
from deltarule.tabular.settings import TableSettings, automatic_batch_rows
from deltarule.tabular.splitting import row_weights, split_table
from deltarule.training import Model, StopReason, train

__all__ = ["OF_OTHER_ROWS", "SCORED_SHARE", "distill", "distill_and_score", "mix_rows"]

SCORED_SHARE = 0.2
"""The share of rows that are held out for scores, if the portfolio was not trained on them."""
OF_OTHER_ROWS = (
    "the scores are of rows that the network was not trained on; they hold for new rows if the "
    "portfolio was not trained on them either"
)
"""What these scores are of."""
_OUT_OF_FOLD = (
    "of the networks that were trained without them, and of a network that was distilled from "
    "these without them"
)

_LAYERS = (128, 128)
# Of more rows than the most, a sample is enough.
_LEAST_ROWS, _MOST_ROWS = 20, 100_000
# Rows that are mixed for each given row, and in all.
_MIXED_PER_ROW, _LEAST_MIXED, _MOST_MIXED = 4, 10_000, 40_000
_VALIDATION = 0.1
_SETTINGS = {"rule": "adam", "learning_rate": 2e-3, "l2": 1e-3, "dropout": 0.0}
# The rows of all epochs together: fewer rows take more epochs.
_ROW_VISITS, _LEAST_EPOCHS, _MOST_EPOCHS = 1_500_000, 40, 300


def distill(
    portfolio: Portfolio,
    schema: Schema,
    target: TargetEncoder,
    typed: TypedColumns,
    *,
    scored: TypedColumns | None = None,
    seed: int = 0,
) -> NetworkModel:
    r"""Return one network trained to predict what a portfolio predicts.

    .. math::

        \min_\theta \; \sum_i w_i\, C\bigl(f(x_i),\, p(x_i)\bigr) + \sum_j C\bigl(f(\tilde x_j),\,
        p(\tilde x_j)\bigr)

    for the network f with parameters θ, the portfolio p, the given rows x_i, and rows x̃_j mixed
    from them; C is log loss, cross entropy, or half the squared error. The weights w_i are those of
    the rows, scaled so that given rows and mixed rows weigh the same in all.

    f has two hidden layers of 128 units, and the encoder of the portfolio's member of the highest
    weight among those with hidden layers whose inputs are each of one column. The epoch is kept
    that is nearest to p on a tenth of the given rows, which are not trained on.

    Parameters
    ----------
    portfolio : Portfolio
    schema : Schema
        Of the columns and the target.
    target : TargetEncoder
        Of the portfolio's target.
    typed : TypedColumns
        Rows like those to be predicted, as those of training. Their targets are not used; rows of
        weight 0 are left out. Of more than 100 000 rows, so many are drawn.
    scored : TypedColumns, optional
        Rows with targets to score the network and the portfolio on. Both were trained without
        them, if the scores are to hold for new rows.
    seed : int

    Returns
    -------
    NetworkModel
        With ``scored``, its report has the scores ``"test"``, and those of the portfolio on the
        same rows among the ``"baselines"``. Unlike the portfolio's, its numbers may lie beyond the
        targets of training.

    Raises
    ------
    InputError
        If there are fewer than 20 rows of weight above 0, or the seed is no whole number of at
        least 0.
    Diverged
        If training diverged.
    KeyboardInterrupt
        After Ctrl-C.

    References
    ----------
    Buciluă, Caruana and Niculescu-Mizil (2006), "Model compression"; Hinton, Vinyals and Dean
    (2015), "Distilling the knowledge in a neural network".

    Examples
    --------
    See :meth:`deltarule.TabularRegressor.distill`.
    """
    random = np.random.default_rng(checked("seed", seed))
    typed = typed.take(np.flatnonzero(row_weights(typed) > 0))
    if len(typed) < _LEAST_ROWS:
        raise InputError(
            f"there are {len(typed)} rows to distil on; expected at least {_LEAST_ROWS}, such as "
            "those of training"
        )
    if len(typed) > _MOST_ROWS:
        typed = typed.take(np.sort(random.permutation(len(typed))[:_MOST_ROWS]))
    n_rows = len(typed)
    n_mixed = min(max(_MIXED_PER_ROW * n_rows, _LEAST_MIXED), _MOST_MIXED)
    parts = (typed, mix_rows(typed, n_mixed, random))
    encoder = portfolio.encoder_of(max(portfolio.used, key=_suits))
    X = np.concatenate([encoder.transform(part, dtype=np.float32) for part in parts])
    scale = portfolio.target
    loss, output = loss_and_output("auto", scale.n_classes)
    net = Network(
        [X.shape[1], *_LAYERS, scale.n_classes if scale.n_classes > 2 else 1],
        activation="silu",
        output_activation=output,
        loss=loss,
        dtype=np.float32,
    )
    predictions = np.concatenate([portfolio.predict(part) for part in parts])
    if scale.n_classes:
        Y = predictions[:, 1:] if scale.n_classes == 2 else predictions
    else:
        Y = scale.encode(net, predictions)
    w = row_weights(typed)
    epochs = int(np.clip(_ROW_VISITS // len(X), _LEAST_EPOCHS, _MOST_EPOCHS))
    result = train(
        net,
        X,
        Y.astype(np.float32),
        seed=seed,
        sample_weight=np.concatenate([w * (n_mixed / w.sum()), np.ones(n_mixed)]),
        validation=random.permutation(n_rows)[: int(_VALIDATION * n_rows)],
        epochs=epochs,
        batch_size=automatic_batch_rows(len(X)),
        schedule="cosine",
        guard="off",
        **_SETTINGS,  # type: ignore[arg-type]  # a mapping of settings has one type
    )
    if result.stop_reason is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    distilled = NetworkModel(
        schema=schema,
        target=scale.target_encoder(target),
        settings={**_SETTINGS, "layers": list(_LAYERS), "epochs": epochs, "seed": seed},
        report={
            "task": target.task,
            "rows": {"train": n_rows},
            "mixed_rows": n_mixed,
            "parameters": net.n_parameters,
            "epochs": len(result.history),
            "best_epoch": result.best_epoch,
            "stopped": result.stopped,
            "engine": result.engine,
            "training_seconds": result.seconds,
            "scores": {},
            "baselines": {},
            "notes": [],
            "data_notes": list(typed.notes),
        },
        model=Model(net, result.theta, result.history),
        encoder=encoder,
    )
    if scored is not None:
        compared = {
            "network": distilled.outputs(scored),
            "portfolio": portfolio.predict(scored),
        }
        scores = {name: distilled.score(scored, each) for name, each in compared.items()}
        distilled.report["rows"]["test"] = len(scored)
        distilled.report["scores"]["test"] = scores.pop("network")
        distilled.report.update(baselines=scores, baselines_on="test")
        distilled.report["score_intervals"] = bootstrap_intervals(
            target.task, true_values(distilled.target, scored), compared, scored.weights
        )
    rows = typed if scored is None else scored
    distance = _distance(distilled.outputs(rows), portfolio.predict(rows))
    distance["part"] = "train" if scored is None else "held_out"
    distilled.report["distilled"] = distance
    return distilled


def _distance(outputs: NDArray[np.float64], of_portfolio: NDArray[np.float64]) -> dict[str, Any]:
    """Return how far a network's predictions are from the portfolio's.

    Examples
    --------
    >>> _distance(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.75, 0.25], [0.5, 0.5]]))
    {'rows': 2, 'same_class': 1, 'largest_difference': 0.15000000000000002}
    """
    same = None
    if outputs.ndim > 1:
        same = int((outputs.argmax(axis=1) == of_portfolio.argmax(axis=1)).sum())
    gap = float(np.abs(outputs - of_portfolio).max())
    return {"rows": len(outputs), "same_class": same, "largest_difference": gap}


def distill_and_score(
    portfolio: Portfolio,
    schema: Schema,
    target: TargetEncoder,
    typed: TypedColumns,
    *,
    trained_on: bool,
    seed: int = 0,
) -> NetworkModel:
    """Return one network as :func:`distill` does, with scores on a part of the same rows.

    If the portfolio was trained on these rows, the scores are out-of-fold: those of a second
    network, which is distilled without the rows of one fold from the networks that were trained
    without them, and of these networks. Otherwise a fifth of the rows is held out.

    Parameters
    ----------
    portfolio, schema, target, seed
        As :func:`distill` takes them.
    typed : TypedColumns
        Rows with targets.
    trained_on : bool
        Whether these are the rows that the portfolio was trained on, in their order.

    Returns
    -------
    NetworkModel
        The notes of its report say what the scores are of. There are none if the rows outside of
        the fold are fewer than 20.

    Raises
    ------
    InputError, Diverged, KeyboardInterrupt
        As :func:`distill` raises them.
    """
    if not (trained_on and portfolio.folds):
        settings = TableSettings(test=SCORED_SHARE, valid=0.0, seed=seed)
        parts = split_table(schema, typed, settings)
        network = distill(
            portfolio, schema, target, parts["train"], scored=parts["test"], seed=seed
        )
        network.report["notes"].append(OF_OTHER_ROWS)
        return network
    network = distill(portfolio, schema, target, typed, seed=seed)
    fold = portfolio.folds[0]
    others = typed.take(np.setdiff1d(np.arange(len(typed)), fold))
    if (row_weights(others) > 0).sum() < _LEAST_ROWS:
        return network
    second = distill(
        _without_fold(portfolio, 0), schema, target, others, scored=typed.take(fold), seed=seed
    )
    network.report.update(
        scores={"out_of_fold": second.report["scores"]["test"]},
        baselines=second.report["baselines"],
        baselines_on="out_of_fold",
        score_intervals=second.report["score_intervals"],
        notes=[f"the scores are of {len(fold)} rows of one fold: {_OUT_OF_FOLD}"],
    )
    return network


def _without_fold(portfolio: Portfolio, k: int) -> Portfolio:
    """Return the portfolio of the networks that were trained without the rows of fold k."""
    members = tuple(
        dataclasses.replace(member, models=member.models[k : k + 1]) for member in portfolio.used
    )
    return dataclasses.replace(portfolio, members=members)


def _suits(member: Member) -> tuple[bool, bool, float]:
    """Return how well a member's encoder suits a network that is to be explained."""
    settings = member.configuration
    return not settings.random_features, bool(settings.layers), member.weight


def mix_rows(typed: TypedColumns, n_rows: int, random: np.random.Generator) -> TypedColumns:
    """Return rows each of which has some cells of one row, and the others of another.

    A cell is of the second row with a probability that is drawn for each row, from 0 to ½. Both
    rows are drawn with probabilities in proportion to the row weights.

    Parameters
    ----------
    typed : TypedColumns
    n_rows : int
        The number of rows to return.
    random : numpy.random.Generator

    References
    ----------
    Buciluă, Caruana and Niculescu-Mizil (2006), "Model compression", whose MUNGE mixes neighbours.

    Examples
    --------
    >>> typed = TypedColumns({"a": np.arange(4.0), "b": np.arange(4.0)}, rows=np.arange(4))
    >>> mixed = mix_rows(typed, 100, np.random.default_rng(0))
    >>> len(mixed), bool((mixed.columns["a"] == mixed.columns["b"]).all())
    (100, False)
    """
    shares: NDArray[np.float64] | None = None
    if typed.weights is not None:
        shares = typed.weights / typed.weights.sum()
    first, second = random.choice(len(typed), size=(2, n_rows), p=shares)
    probability = random.uniform(0, 0.5, size=n_rows)
    columns: dict[str, Any] = {}
    for name, cells in typed.columns.items():
        columns[name] = cells[np.where(random.random(n_rows) < probability, second, first)]
    return TypedColumns(columns, rows=np.arange(n_rows))
