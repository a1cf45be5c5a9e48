"""What is exported: one network, what its inputs are made of, and what its outputs mean."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import DataError, InputError, Message, Parameter, printable
from deltarule.estimators.mlp_base import BaseMLP
from deltarule.estimators.mlp_classifier import MLPClassifier
from deltarule.estimators.tabular_base import BaseTabular
from deltarule.maths import Network
from deltarule.tables import (
    Schema,
    Table,
    TableEncoder,
    TypedColumns,
    apply_schema,
    table_from_frame,
)
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tabular import NetworkModel, PortfolioModel, TableModel
from deltarule.tabular.network_targets import decode_outputs
from deltarule.training import Model
from deltarule.training.inspection import training_table

__all__ = [
    "ExportedNetwork",
    "comparison_facts",
    "exported_network",
    "model_facts",
    "network_of_member",
    "rows_words",
]

_ONE_NETWORK = "a model of one network"


@dataclasses.dataclass(frozen=True)
class ExportedNetwork:
    """A network, with what turns cells into its inputs and its outputs into predictions.

    Attributes
    ----------
    net : Network
    theta : array of shape (p,)
    decoding : str
        What predictions are made of the outputs a^L: ``"outputs"`` (a^L itself), ``"clipped"`` to
        [0, 1], ``"number"`` a·std + mean, ``"two"`` 1 − a and a, ``"two_clipped"`` with a clipped,
        or ``"normalised"`` to a sum of 1.
    decode : callable
        That function of outputs of shape (N, n_L), as the model has it.
    predict : callable
        The model's predictions for encoded rows X of shape (N, n_0), or for typed rows of a table
        where there is an encoder; shape (N, M).
    input_names : tuple of str
    output_names : tuple of str
        Of the M predictions: the classes, or the target.
    one_class : bool
        Whether the predicted class is that of the largest prediction.
    scale : tuple of (mean, std)
        Of a number.
    encoder, schema : TableEncoder and Schema, or None
        How cells of a table become inputs.
    notes : tuple of str
        What is not exported, or not as exact.
    """

    net: Network
    theta: np.ndarray
    decoding: str
    decode: Callable[[np.ndarray], np.ndarray]
    predict: Callable[[Any], np.ndarray]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    one_class: bool = False
    scale: tuple[float, float] = (0.0, 1.0)
    encoder: TableEncoder | None = None
    schema: Schema | None = None
    notes: tuple[str, ...] = ()


# So many numbers of float in a standard deviation of the target are the least without a note.
_STEPS_IN_STD = 100


def exported_network(model: Any, *, encoded: bool = False) -> ExportedNetwork:
    """Return the one network of a model; refuse a model of several.

    Parameters
    ----------
    model : NetworkModel, PortfolioModel, MLPClassifier, MLPRegressor or Model
    encoded : bool
        Whether rows of a table are given as the network's inputs, already encoded.

    Raises
    ------
    InputError
        If it is of several networks or of another kind, is not fitted, or has no table that
        was asked for.
    """
    if isinstance(model, PortfolioModel | BaseTabular):
        raise _of_several(model)
    if isinstance(model, NetworkModel):
        return _of_table(model, encoded)
    if encoded:
        raise InputError(
            Message(Parameter("encoded"), f" was given for {_what(model)}"),
            parameter="encoded",
            expected="a model of a table",
            hint=Message("leave ", Parameter("encoded"), " out"),
        )
    if isinstance(model, BaseMLP):
        return _of_estimator(model)
    if isinstance(model, Model):
        net = model.net
        return ExportedNetwork(
            net,
            model.theta,
            "outputs",
            lambda a: a,
            model.predict,
            _numbered("x", net.n_inputs),
            _numbered("a", net.n_outputs),
        )
    raise InputError(
        f"a {type(model).__name__} cannot be exported",
        parameter="model",
        expected="a NetworkModel, an MLPClassifier or MLPRegressor, or a Model",
    )


def network_of_member(model: Any, member: str) -> NetworkModel:
    """Return the first network of a portfolio's member.

    Raises
    ------
    InputError
        If the model is no portfolio that was loaded from a folder, or has no such member.
    """
    if isinstance(model, PortfolioModel):
        return model.network(member)
    raise InputError(
        Message(Parameter("member"), f" was given for {_what(model)}"),
        parameter="member",
        given=member,
        expected="a portfolio that was loaded from a folder, which has members",
        hint=Message("leave ", Parameter("member"), " out"),
    )


def model_facts(model: Any, fingerprint: str) -> dict[str, Any]:
    """Return what an exported file says of the model that it was made from, as JSON holds it.

    Examples
    --------
    >>> from deltarule import Model, Network
    >>> net = Network([1, 1])
    >>> model_facts(Model(net, net.initial(0)), "ab12")
    {'fingerprint': 'ab12'}
    """
    facts: dict[str, Any] = {"fingerprint": fingerprint or None}
    if isinstance(model, TableModel):
        facts["trained_on"] = training_table(dataclasses.asdict(model.schema), model.report)
        for name in ("distilled", "member"):
            if name in model.report:
                facts[name] = model.report[name]
    return facts


def comparison_facts(
    model: Any, data: Any, *, compared: int, given: int, left_out: int = 0
) -> dict[str, Any]:
    """Return what an exported file says of the rows that it was compared on, as JSON holds it.

    Parameters
    ----------
    model : object
    data : object
        What was given to compare with; None if all rows are made.
    compared, given, left_out : int
        How many rows were compared; how many of them are those of ``data``; and how many more were
        left out, since numbers in the network are beyond float32.

    Examples
    --------
    >>> comparison_facts(None, None, compared=300, given=0)["made_rows"]
    300
    """
    own = data is not None
    return {
        "rows": compared,
        "given_rows": given if own else 0,
        "made_rows": compared - given if own else compared,
        "left_out_rows": left_out,
        "data_given": own,
        "data": _data_facts(model, data) if own else None,
    }


def _data_facts(model: Any, data: Any) -> dict[str, Any]:
    """Return the name, the rows and, of a table with its target, the checksum of the cells."""
    found: dict[str, Any] = {"source": getattr(data, "source", ""), "sha256": None}
    if isinstance(model, TableModel) and not isinstance(data, TypedColumns):
        schema = model.schema
        table = data if isinstance(data, Table) else table_from_frame(data, na=schema.na)
        if schema.target is not None and schema.target.name in table:
            with contextlib.suppress(DataError):  # an unknown class, which no export looks at
                found["sha256"] = cells_checksum(apply_schema(schema, table, need_target=True))
        data = table
    rows = data.shape[0] if hasattr(data, "shape") else len(data)
    return {**found, "rows": int(rows)}


def rows_words(facts: dict[str, Any]) -> str:
    r"""Return which rows were compared, of what :func:`comparison_facts` says, in words.

    Examples
    --------
    >>> facts = comparison_facts(None, np.ones((800, 1)), compared=59, given=50)
    >>> print(rows_words(facts).replace(", and", ",\nand"))
    50 of the 800 rows that were given, evenly spaced,
    and 9 with missing, unknown or extreme cells
    >>> rows_words(comparison_facts(None, None, compared=300, given=0))
    'all made at random, of the ranges and levels of training, since none were given'
    """
    if not facts["data_given"]:
        return "all made at random, of the ranges and levels of training, since none were given"
    given, made, data = facts["given_rows"], facts["made_rows"], facts["data"]
    of, source, digest = data["rows"], data["source"], data["sha256"]
    name = f"of {printable(source)}" if source else "that were given"
    name += f" (sha256 of its cells {digest[:16]}…)" if digest else ""
    said = f"all {of:,} rows {name}"
    if given < of:
        said = f"{given:,} of the {of:,} rows {name}, evenly spaced"
    return f"{said}, and {made:,} with missing, unknown or extreme cells" if made else said


def _what(model: Any) -> str:
    return f"a {type(model).__name__}"


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}{i}" for i in range(count))


def _of_several(model: PortfolioModel | BaseTabular) -> InputError:
    """Return the error that refuses a portfolio."""
    networks = ""
    portfolio = model.portfolio if isinstance(model, PortfolioModel) else None
    if portfolio is not None:
        networks = f" of {sum(len(each.models) for each in portfolio.used)} networks"
    first = "make one network of it first: 'deltarule distill', or the method distill"
    hint: tuple[Any, ...] = (first,)
    if portfolio is not None:
        hint = (first, "; or export one of its networks with ", Parameter("member"))
    return InputError(
        f"the model is a portfolio{networks}, which would be as many programs",
        parameter="model",
        expected=_ONE_NETWORK,
        hint=Message(*hint),
    )


def _of_table(model: NetworkModel, encoded: bool) -> ExportedNetwork:
    net, target = model.model.net, model.target

    def decode(a: np.ndarray) -> np.ndarray:
        found = decode_outputs(net, target, a)
        return found.reshape(len(a), -1)

    if target.task == "regression":
        decoding = "number"
        names: tuple[str, ...] = (model.schema.target.name if model.schema.target else "",)
    else:
        names = target.classes
        one, softmax = net.n_outputs == 1, net.output_activation.name == "softmax"
        decoding = "two" if one else "outputs" if softmax else "normalised"

    def predict(rows: Any) -> np.ndarray:
        if encoded:
            return decode(model.model.predict(rows))
        return model.outputs(rows).reshape(len(rows), -1)

    return ExportedNetwork(
        net,
        model.model.theta,
        decoding,
        decode,
        predict,
        model.encoder.feature_names,
        names,
        one_class=target.task == "classification",
        scale=(target.mean, target.std),
        encoder=None if encoded else model.encoder,
        schema=model.schema,
        notes=_notes_on_float(target.mean, target.std) if decoding == "number" else (),
    )


def _notes_on_float(mean: float, std: float) -> tuple[str, ...]:
    """Return a note if float has fewer than a hundred numbers in a standard deviation of a target.

    Examples
    --------
    >>> _notes_on_float(170.0, 10.0)
    ()
    >>> print(_notes_on_float(1e12, 2.0)[0].partition(",")[0])
    the program gives predictions in float
    """
    step = float(np.spacing(np.float32(mean)))
    if step <= std / _STEPS_IN_STD:
        return ()
    near = f"float, whose numbers near {mean:.3g} are {step:.2g} apart"
    spread = f"the standard deviation of the target is {std:.2g}"
    return (f"the program gives predictions in {near}; {spread}: train on it less a constant",)


def _of_estimator(model: Any) -> ExportedNetwork:
    predictor = model.compile_predictor()  # refuses an estimator that is not fitted
    net = model.network_
    theta = model._current_theta(net)
    given = getattr(model, "feature_names_in_", None)
    inputs = _numbered("x", net.n_inputs) if given is None else tuple(map(str, given))
    outputs, notes = _numbered("a", net.n_outputs), tuple[str, ...]()
    if not isinstance(model, MLPClassifier):
        return ExportedNetwork(net, theta, "outputs", lambda a: a, predictor, inputs, outputs)
    coding, n_classes = model._coding, len(model.classes_)
    raw = not coding.in_unit_interval
    decode: Callable[[np.ndarray], np.ndarray] = coding.probabilities
    what = "probabilities"
    if coding.one_output and n_classes == 2:
        decoding = "two_clipped" if raw else "two"
    elif coding.multilabel:
        decoding = "clipped" if raw else "outputs"
    elif coding.sums_to_one:
        decoding = "outputs"
    elif raw or n_classes < 2:
        # The nearest probabilities are a projection that sorts; the largest output is the class.
        decoding, what, decode = "outputs", "outputs", lambda a: a
        notes = ("the program gives the outputs of the network, and no probabilities",)
    else:
        decoding = "normalised"
    classes = tuple(map(str, model.classes_))
    return ExportedNetwork(
        net,
        theta,
        decoding,
        decode,
        model.compile_predictor(what),
        inputs,
        classes if n_classes > 1 else outputs,
        one_class=n_classes > 1 and not coding.multilabel,
        notes=notes,
    )
