"""Models of tables with every kind of column, made without training."""

import datetime as dt

import numpy as np

from deltarule import Model, Network
from deltarule.tables import TableEncoder, TargetEncoder, apply_schema, infer_schema
from deltarule.tables.frames import table_from_frame
from deltarule.tables.target_statistics import target_columns
from deltarule.tabular import NetworkModel
from deltarule.tabular.network_targets import loss_and_output

N_ROWS = 60


def columns():
    """Numbers, a number of few values, dates, times, and categories, some cells of them missing."""
    random = np.random.default_rng(0)
    day = dt.date(2020, 2, 27)
    size = [None if k % 9 == 4 else float(x) for k, x in enumerate(random.normal(80, 30, N_ROWS))]
    return {
        "size": size,
        "big": (random.normal(0, 1e9, N_ROWS) + 2e10).tolist(),
        "rooms": random.integers(1, 5, N_ROWS).astype(float).tolist(),
        "sold": [(day + dt.timedelta(days=int(k))).isoformat() for k in range(0, 900, 15)],
        "town": [["Ulm", "Bonn", None, "Rome"][k % 4] for k in range(N_ROWS)],
        "street": [f"street {k % 11}" for k in range(N_ROWS)],
        "same": ["x"] * N_ROWS,
    }


def table_model(cells=None, classes=(), rare=(), schema_options=None, hidden=(7,), **encoding):
    """A model of a table and its rows: a network with initial weights behind a fitted encoder."""
    cells = columns() if cells is None else cells
    n = len(next(iter(cells.values())))
    target = [classes[k % len(classes)] if classes else float(k) for k in range(n)]
    table = table_from_frame({**cells, "target": target})
    schema = infer_schema(table, "target", **(schema_options or {}))
    typed = apply_schema(schema, table)
    coder = TargetEncoder(schema.task, classes or None).fit(typed.target)
    numbers = coder.transform(typed.target)
    labels = [f"{k}" for k in range(max(len(classes), 1))] if len(classes) != 2 else [""]
    encoder = TableEncoder(**encoding).fit(
        typed,
        schema,
        targets=target_columns(numbers, len(classes)),
        target_labels=labels if len(classes) > 2 else [""],
    )
    loss, output = loss_and_output("auto", len(classes))
    net = Network(
        [encoder.n_features, *hidden, len(classes) if len(classes) > 2 else 1],
        activation="silu",
        output_activation=output,
        loss=loss,
        dtype=np.float32,
    )
    model = Model(net, net.initial(1))
    return NetworkModel(schema, coder, {}, {"rows": {}, "scores": {}}, model, encoder), table
