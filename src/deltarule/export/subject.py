"""What is exported: one network, what its inputs are made of, and what its outputs mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import InputError, Message, Parameter
from deltarule.estimators.mlp_base import BaseMLP
from deltarule.estimators.mlp_classifier import MLPClassifier
from deltarule.estimators.tabular_base import BaseTabular
from deltarule.maths import Network
from deltarule.tables import Schema, TableEncoder
from deltarule.tabular import NetworkModel, PortfolioModel
from deltarule.tabular.network_targets import decode_outputs
from deltarule.training import Model

__all__ = ["ExportedNetwork", "exported_network", "network_of_member"]

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
    quantity : {"predictions", "probabilities", "outputs"}
        What the predictions are: numbers in the unit of the target, probabilities, or the outputs
        of a network without a meaning that is known here.
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
    quantity: str
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
            "outputs",
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
        "predictions" if decoding == "number" else "probabilities",
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
        return ExportedNetwork(
            net, theta, "outputs", lambda a: a, predictor, inputs, outputs, "predictions"
        )
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
        what,
        one_class=n_classes > 1 and not coding.multilabel,
        notes=notes,
    )
