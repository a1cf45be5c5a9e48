"""A portfolio as an object that JSON can hold, and arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.files.dataclass_fields import check_keys, entry, from_json_object
from deltarule.tables import TableEncoder
from deltarule.tabular.portfolio.configurations import Configuration
from deltarule.tabular.portfolio.members import Member, Portfolio, encoding_of
from deltarule.tabular.portfolio.target_scale import TargetScale
from deltarule.training import Model
from deltarule.training.model import check_sizes, stored_network, stored_parameters

__all__ = ["check_portfolio_arrays", "portfolio_of", "stored_portfolio"]


def stored_portfolio(portfolio: Portfolio) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a portfolio needs to predict: an object that JSON can hold, and arrays.

    Members of weight 0 and out-of-fold predictions are left out. The array ``"2.0.W1"`` holds the
    first weights of the first network of the third member.

    Raises
    ------
    InputError
        If a parameter is not a finite number.
    """
    members: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    portfolio = portfolio.pruned()
    for m, member in enumerate(portfolio.members):
        networks = []
        for k, model in enumerate(member.models):
            network, blocks = stored_parameters(model.net, model.theta)
            networks.append(network)
            arrays |= {f"{m}.{k}.{name}": values for name, values in blocks.items()}
        members.append(
            {
                "configuration": dataclasses.asdict(member.configuration),
                "weight": member.weight,
                "score": member.score,
                "seconds": member.seconds,
                "networks": networks,
            }
        )
    record = {
        "target": dataclasses.asdict(portfolio.target),
        "temperature": portfolio.temperature,
        "encoders": {key: encoder.to_dict() for key, encoder in portfolio.encoders.items()},
        "members": members,
    }
    return record, arrays


def check_portfolio_arrays(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Refuse arrays, of which types and shapes are enough, that are not those of the networks.

    Raises
    ------
    InputError
    """
    check_keys(record, {"target", "temperature", "encoders", "members"})
    by_network = _by_network(arrays)
    for m, member in enumerate(entry(record, "members", list)):
        for k, network in enumerate(entry(member, "networks", list)):
            check_sizes(network, by_network.pop(f"{m}.{k}", {}))
    if by_network:
        raise InputError("its arrays are not those of its members")


def _by_network(arrays: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the arrays of each network, whose numbers stand before the names of its blocks."""
    found: dict[str, dict[str, Any]] = {}
    for name, values in arrays.items():
        member, _, rest = name.partition(".")
        network, _, block = rest.partition(".")
        found.setdefault(f"{member}.{network}", {})[block] = values
    return found


def portfolio_of(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Portfolio:
    """Return the portfolio that :func:`stored_portfolio` wrote down.

    Raises
    ------
    InputError
        If it is none, or its parts do not fit each other.
    """
    check_portfolio_arrays(record, arrays)
    target = from_json_object(TargetScale, entry(record, "target", Mapping[str, Any]))
    if target.n_classes < 0 or target.n_classes == 1:
        raise InputError(f"the target has {target.n_classes} classes")
    for name in ("std", "log_std", "log_factor"):
        if not getattr(target, name) > 0:
            raise InputError(f"{name} of the target is {getattr(target, name)}")
    temperature = entry(record, "temperature", float)
    if not temperature > 0:
        raise InputError(f"temperature is {temperature}; expected a number above 0")
    by_network = _by_network(arrays)
    members = []
    for m, each in enumerate(record["members"]):
        check_keys(each, {"configuration", "weight", "score", "seconds", "networks"})
        models = []
        for k, network in enumerate(each["networks"]):
            check_keys(network, {"network", "formulas"})
            models.append(Model(*stored_network(network, by_network[f"{m}.{k}"])))
        if not models:
            raise InputError(f"member {m + 1} has no network")
        numbers = {name: entry(each, name, float) for name in ("weight", "score", "seconds")}
        if not numbers["weight"] > 0:
            raise InputError(f"member {m + 1} has weight {numbers['weight']}")
        configuration = entry(each, "configuration", Configuration)
        members.append(Member(configuration, tuple(models), **numbers))
    if not members:
        raise InputError("it has no members")
    records = entry(record, "encoders", Mapping[str, Mapping[str, Any]])
    encoders = {key: TableEncoder.from_dict(each) for key, each in records.items()}
    shape = (0, target.n_classes) if target.n_classes else (0,)
    portfolio = Portfolio(target, encoders, tuple(members), temperature, np.zeros(shape))
    _check_widths(portfolio)
    return portfolio


def _check_widths(portfolio: Portfolio) -> None:
    """Refuse networks that do not fit the encoders or the target."""
    classes = portfolio.target.n_classes
    n_outputs = classes if classes > 2 else 1
    keys = {encoding_of(member.configuration) for member in portfolio.members}
    if keys != set(portfolio.encoders):
        raise InputError("its encoders are not those of its members")
    for member in portfolio.members:
        n_features = portfolio.encoder_of(member).n_features
        for model in member.models:
            ends = (model.net.n_inputs, model.net.n_outputs)
            if ends != (n_features, n_outputs):
                raise InputError(
                    f"a network of {member.configuration.name!r} has {ends[0]} inputs and "
                    f"{ends[1]} outputs; its encoder gives {n_features}, and the target has "
                    f"{n_outputs}"
                )
