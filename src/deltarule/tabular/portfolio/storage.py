"""A portfolio as an object that JSON can hold, and arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.files.dataclass_fields import field_value, from_json_object
from deltarule.tables import TableEncoder
from deltarule.tabular.portfolio.configurations import Configuration
from deltarule.tabular.portfolio.members import Member, Portfolio
from deltarule.tabular.portfolio.target_scale import TargetScale
from deltarule.training import Model
from deltarule.training.model import stored_network, stored_parameters

__all__ = ["portfolio_of", "stored_portfolio"]


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


def portfolio_of(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Portfolio:
    """Return the portfolio that :func:`stored_portfolio` wrote down.

    Raises
    ------
    InputError, TypeError, ValueError, KeyError
        If it is none, or its parts do not fit each other.
    """
    target = from_json_object(TargetScale, record["target"])
    if not target.std > 0:
        raise ValueError(f"the standard deviation of the target is {target.std}")
    temperature = field_value("temperature", float, record["temperature"])
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; expected a number above 0")
    by_network: dict[str, dict[str, np.ndarray]] = {}
    for name, values in arrays.items():
        member, _, rest = name.partition(".")
        network, _, block = rest.partition(".")
        by_network.setdefault(f"{member}.{network}", {})[block] = values
    members = []
    for m, each in enumerate(record["members"]):
        models = [
            Model(*stored_network(network, by_network.pop(f"{m}.{k}")))
            for k, network in enumerate(each["networks"])
        ]
        if not models:
            raise ValueError(f"member {m + 1} has no network")
        numbers = {
            name: field_value(name, float, each[name]) for name in ("weight", "score", "seconds")
        }
        if not numbers["weight"] > 0:
            raise ValueError(f"member {m + 1} has weight {numbers['weight']}")
        configuration = from_json_object(Configuration, each["configuration"])
        members.append(Member(configuration, tuple(models), **numbers))
    if not members or by_network:
        raise ValueError("its arrays are not those of its members")
    encoders = {key: TableEncoder.from_dict(each) for key, each in record["encoders"].items()}
    shape = (0, target.n_classes) if target.n_classes else (0,)
    portfolio = Portfolio(target, encoders, tuple(members), temperature, np.zeros(shape))
    _check_widths(portfolio)
    return portfolio


def _check_widths(portfolio: Portfolio) -> None:
    """Refuse networks that do not fit the encoders or the target."""
    classes = portfolio.target.n_classes
    n_outputs = classes if classes > 2 else 1
    for member in portfolio.members:
        n_features = portfolio.encoder_of(member).n_features
        for model in member.models:
            ends = (model.net.n_inputs, model.net.n_outputs)
            if ends != (n_features, n_outputs):
                raise ValueError(
                    f"a network of {member.configuration.name!r} has {ends[0]} inputs and "
                    f"{ends[1]} outputs; its encoder gives {n_features}, and the target has "
                    f"{n_outputs}"
                )
