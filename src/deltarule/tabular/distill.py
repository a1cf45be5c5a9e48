"""One network trained on the predictions of a portfolio, to be explained or exported."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.tables import Schema, TargetEncoder, TypedColumns
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.network_targets import loss_and_output
from deltarule.tabular.portfolio import Portfolio
from deltarule.tabular.settings import automatic_batch_rows
from deltarule.training import Model, train

__all__ = ["distill", "mix_rows"]

_LAYERS = (128, 128)
_LEAST_ROWS = 20
# Rows that are mixed for each training row, and in all.
_MIXED_PER_ROW, _LEAST_MIXED, _MOST_MIXED = 4, 10_000, 40_000
_VALIDATION = 0.1
_SETTINGS = {"rule": "adam", "learning_rate": 2e-3, "l2": 1e-3, "dropout": 0.0}
# An epoch has so many rows: fewer rows take more epochs.
_ROW_VISITS, _LEAST_EPOCHS, _MOST_EPOCHS = 1_500_000, 40, 300


def distill(
    portfolio: Portfolio,
    schema: Schema,
    target: TargetEncoder,
    typed: TypedColumns,
    *,
    seed: int = 0,
) -> NetworkModel:
    """Return one network that predicts what a portfolio predicts.

    It has two hidden layers of 128 units and the encoder of the portfolio's member of the highest
    weight among those with hidden layers. It is trained on the portfolio's predictions for the
    given rows, whose targets are not used, and for rows that are mixed from them.

    Parameters
    ----------
    portfolio : Portfolio
    schema : Schema
        Of the columns and the target.
    target : TargetEncoder
        Of the portfolio's target.
    typed : TypedColumns
        Rows like those to be predicted, as those of training.
    seed : int

    Returns
    -------
    NetworkModel
        Its report has the scores ``"distilled"`` and ``"portfolio"`` if the rows have targets;
        both are too good for rows that the portfolio was trained on.

    Raises
    ------
    InputError
        If there are fewer than 20 rows.

    References
    ----------
    Buciluă, Caruana and Niculescu-Mizil (2006), "Model compression"; Hinton, Vinyals and Dean
    (2015), "Distilling the knowledge in a neural network".
    """
    n_rows = len(typed)
    if n_rows < _LEAST_ROWS:
        raise InputError(
            f"there are {n_rows} rows to distil on; expected at least {_LEAST_ROWS}, such as those "
            "of training"
        )
    random = np.random.default_rng(seed)
    n_mixed = min(max(_MIXED_PER_ROW * n_rows, _LEAST_MIXED), _MOST_MIXED)
    mixed = mix_rows(typed, n_mixed, random)
    own, of_mixed = portfolio.predict(typed), portfolio.predict(mixed)
    nonlinear = [each for each in portfolio.members if each.configuration.layers]
    member = max(nonlinear or portfolio.members, key=lambda each: each.weight)
    encoder = portfolio.encoder_of(member)
    X = np.concatenate([encoder.transform(each, dtype=np.float32) for each in (typed, mixed)])
    scale, predictions = portfolio.target, np.concatenate([own, of_mixed])
    loss, output = loss_and_output("auto", scale.n_classes)
    net = Network(
        [X.shape[1], *_LAYERS, scale.n_classes if scale.n_classes > 2 else 1],
        activation="silu",
        output_activation=output,
        loss=loss,
        dtype=np.float32,
    )
    if scale.n_classes == 2:
        Y = predictions[:, 1:]
    elif scale.n_classes:
        Y = predictions
    else:
        Y = ((predictions - scale.mean) / scale.std)[:, None]
    # Given rows and mixed rows weigh the same in all.
    w = np.concatenate([np.full(n_rows, n_mixed / n_rows), np.ones(n_mixed)])
    epochs = int(np.clip(_ROW_VISITS // len(X), _LEAST_EPOCHS, _MOST_EPOCHS))
    result = train(
        net,
        X,
        Y.astype(np.float32),
        seed=seed,
        sample_weight=w,
        validation=random.permutation(n_rows)[: max(int(_VALIDATION * n_rows), 1)],
        epochs=epochs,
        batch_size=automatic_batch_rows(len(X)),
        schedule="cosine",
        **_SETTINGS,  # type: ignore[arg-type]  # a mapping of settings has one type
    )
    if target.task == "regression":
        record = target.to_dict() | {"mean": scale.mean, "std": scale.std}
        target = TargetEncoder.from_dict(record)
    distilled = NetworkModel(
        schema=schema,
        target=target,
        settings={**_SETTINGS, "layers": list(_LAYERS), "epochs": epochs, "seed": seed},
        report={"rows": {"distilled": n_rows, "portfolio": n_rows}, "scores": {}},
        model=Model(net, result.theta, result.history),
        encoder=encoder,
    )
    if typed.target is not None:
        distilled.report["scores"] = {
            "distilled": distilled.score(typed, distilled.outputs(typed)),
            "portfolio": distilled.score(typed, own),
        }
    return distilled


def mix_rows(typed: TypedColumns, n_rows: int, random: np.random.Generator) -> TypedColumns:
    """Return rows each of which has some cells of one row, and the others of another.

    A cell is of the second row with a probability that is drawn for each row, from 0 to ½.

    Examples
    --------
    >>> typed = TypedColumns({"a": np.arange(4.0), "b": np.arange(4.0)}, rows=np.arange(4))
    >>> mixed = mix_rows(typed, 100, np.random.default_rng(0))
    >>> len(mixed), bool((mixed.columns["a"] == mixed.columns["b"]).all())
    (100, False)
    """
    first, second = random.integers(len(typed), size=(2, n_rows))
    probability = random.uniform(0, 0.5, size=n_rows)
    columns: dict[str, Any] = {}
    for name, cells in typed.columns.items():
        columns[name] = cells[np.where(random.random(n_rows) < probability, second, first)]
    return TypedColumns(columns, rows=np.arange(n_rows))
