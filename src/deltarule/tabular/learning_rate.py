"""Finding a learning rate for the network of a table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from deltarule.tables import Schema, Table, apply_schema
from deltarule.tabular.network_fit import encode_parts
from deltarule.tabular.network_targets import network_targets
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import check_parts, row_weights, table_parts, target_values
from deltarule.training import LearningRateSearch, find_learning_rate

__all__ = ["table_learning_rate"]


def table_learning_rate(
    table: Table,
    schema: Schema,
    settings: TableSettings,
    *,
    progress: Callable[[str], Any] | None = None,
    **search: Any,
) -> LearningRateSearch:
    """Try a range of learning rates for the single network that :func:`fit_table` would train.

    Parameters
    ----------
    table : Table
    schema : Schema
    settings : TableSettings
        Of the network and its training; ``learning_rate``, ``schedule`` and what ends training
        are not used.
    progress : callable, optional
        Called with a text before each rate.
    **search
        ``steps``, ``lowest`` and ``highest`` of :func:`deltarule.training.find_learning_rate`.

    Returns
    -------
    LearningRateSearch

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.tables import infer_schema, table_from_frame
    >>> x = np.linspace(-1, 1, 200)
    >>> table = table_from_frame({"x": x, "y": x**2})
    >>> settings = TableSettings(layers=(8,))
    >>> found = table_learning_rate(table, infer_schema(table, "y"), settings, steps=50)
    >>> bool(found.losses.min() < found.start)
    True
    """
    typed = apply_schema(schema, table)
    parts = {name: typed.take(rows) for name, rows in table_parts(schema, typed, settings).items()}
    check_parts(schema, parts)
    encoded = encode_parts(schema, {"train": parts["train"]}, settings)
    training = parts["train"]
    names = set(inspect.signature(find_learning_rate).parameters)
    values = {name: value for name, value in vars(settings).items() if name in names}
    return find_learning_rate(
        encoded.net,
        encoded.X["train"],
        network_targets(encoded.net, encoded.target, target_values(training)),
        sample_weight=row_weights(training),
        progress=progress,
        **values
        | {
            "batch_size": settings.batch_rows(len(training)),
            "dropout": settings.dropout if settings.layers else 0.0,
        },
        **search,
    )
