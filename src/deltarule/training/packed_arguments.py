"""Checks of the arguments of :func:`deltarule.train` with the rows of a store on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError, short_repr
from deltarule.maths import Network
from deltarule.maths.input_checks import check_network
from deltarule.optimizers import Minimizer, Rule
from deltarule.settings import checked
from deltarule.tables.packed_store import PackedRows
from deltarule.training.packed_batches import PackedBatches, PackedChunks
from deltarule.training.run import RunCallback

__all__ = ["batches_of", "refuse_arrays", "validation_of"]


def refuse_arrays(given: Mapping[str, Any], callbacks: Any) -> None:
    """Refuse what describes rows in memory: targets, weights, an order, a recording.

    Raises
    ------
    InputError
    """
    for name, value in given.items():
        if value is not None:
            raise InputError(
                f"{name} was given with the rows of a store",
                parameter=name,
                expected="none: a store has its rows' targets and weights, and orders them by the "
                "seed",
                hint="leave it out",
            )
    if any(isinstance(each, RunCallback) for each in callbacks):
        raise InputError(
            "a Recorder was given with the rows of a store",
            parameter="callbacks",
            expected="none: a recording is replayed from rows in memory",
            hint="leave it out, or train on arrays",
        )


def _check_rows(net: Network, rows: PackedRows, name: str) -> None:
    check_network(net)
    if net.dtype != np.float32:
        raise InputError(
            f"the network's dtype is {net.dtype} and {name} is a store, whose rows are float32",
            parameter=name,
            expected="a network of float32",
            hint="make it with dtype='float32'",
        )
    if (rows.n_inputs, rows.n_outputs) != (net.n_inputs, net.n_outputs):
        raise InputError(
            f"{name} has rows of {rows.n_inputs} inputs and {rows.n_outputs} targets",
            parameter=name,
            expected=f"{net.n_inputs} and {net.n_outputs}, as the network {net.widths}",
        )
    if rows.n_rows == 0:
        raise InputError(f"{name} has no rows; expected at least one", parameter=name)
    if not rows.total_weight > 0:
        raise InputError(
            f"the weights of the {rows.n_rows} rows of {name} add to 0; "
            "expected at least one positive weight",
            parameter=name,
        )


def batches_of(
    net: Network,
    rows: PackedRows,
    batch_size: Any,
    method: Rule | Minimizer,
    seed: int,
    shuffle: bool,
) -> PackedBatches:
    """Return the batches of the rows of a store, checked against the network.

    Raises
    ------
    InputError
        If they do not fit it, or the rule needs all rows in every step.
    """
    _check_rows(net, rows, "X")
    if isinstance(method, Minimizer) or method.full_batch:
        kind = "minimizer" if isinstance(method, Minimizer) else "rule"
        raise InputError(
            f"{kind} {method.name!r} needs all rows in every step, and X is a store of rows that "
            "are not in memory",
            parameter="rule",
            given=method.name,
            expected="a rule of mini-batches, such as 'adam'",
        )
    window = rows.window_bytes
    automatic = isinstance(batch_size, str) and batch_size == "auto"
    most = max(window // rows.row_bytes, 1)
    size = min(200, rows.n_rows, most) if automatic else checked("batch_size", batch_size)
    if size > most:
        raise InputError(
            f"batches of {size} rows of {rows.row_bytes} bytes are larger than what is read at a "
            f"time, {window} bytes",
            parameter="batch_size",
            given=size,
            expected=f"at most {most}",
        )
    return PackedBatches(rows, size, seed, shuffle)


def validation_of(net: Network, validation: Any) -> PackedChunks | None:
    """Return the validation rows of a store; refuse those in memory.

    Raises
    ------
    InputError
    """
    if validation is None:
        return None
    if not isinstance(validation, PackedRows):
        raise InputError(
            f"validation is {short_repr(validation)}, and X is a store",
            parameter="validation",
            expected="None, or another part of a store",
        )
    _check_rows(net, validation, "validation")
    return PackedChunks(validation)
