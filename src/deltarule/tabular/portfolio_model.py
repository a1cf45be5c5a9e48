"""A trained portfolio with its table's schema and encoders: it predicts labels from tables."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import FileError, InputError
from deltarule.files import Part, write_bundle
from deltarule.tables import TargetEncoder, TypedColumns
from deltarule.tables.table import join_items
from deltarule.tabular.diagnostics.training import column_treatments
from deltarule.tabular.model import TableModel, reading_table_model
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.portfolio import Member, Portfolio
from deltarule.tabular.portfolio.storage import portfolio_of, stored_portfolio
from deltarule.training.model import KIND, PORTFOLIO_VERSION, reading_model
from deltarule.training.recording import FOLDER
from deltarule.training.recording import KIND as RECORDING

__all__ = ["PortfolioModel"]


@dataclasses.dataclass(frozen=True)
class PortfolioModel(TableModel):
    """A trained portfolio with the schema and the encodings of its table.

    Attributes
    ----------
    schema, target, settings, report
        As in :class:`TableModel`.
    portfolio : Portfolio
        The networks with their encoders, weights and temperature.

    Examples
    --------
    See :func:`deltarule.tabular.fit_table`.
    """

    portfolio: Portfolio

    def _chunk_outputs(self, typed: TypedColumns) -> np.ndarray:
        return self.portfolio.predict(typed)

    def _why_not_finite(self, typed: TypedColumns) -> str:
        return (
            "; expected numbers like those of training; correct those that are far from them, or "
            "leave them empty"
        )

    def notes(self, typed: TypedColumns) -> tuple[str, ...]:
        """Return notes on rows that are to be predicted: levels that training did not see."""
        found = [note for each in self.portfolio.encoders.values() for note in each.notes(typed)]
        return tuple(dict.fromkeys(found))

    def column_treatments(self) -> dict[str, list[str]]:
        """Return for each column what the encoders of the members of weight above 0 make of it."""
        return column_treatments(self.portfolio.pruned().encoders.values())

    def members(self) -> tuple[Member, ...]:
        """Return the members of weight above 0, the highest weight first."""
        return tuple(sorted(self.portfolio.used, key=lambda member: -member.weight))

    def member(self, name: str | None = None) -> Member:
        """Return a member of weight above 0 by name; the one of the highest weight for None.

        Its networks predict the target itself: one that learned the logarithm of the target is no
        member that a :class:`NetworkModel` can hold.

        Raises
        ------
        InputError
            If there is no such member.
        """
        by_name = {each.configuration.name: each for each in self.members()}
        plain = [key for key, each in by_name.items() if not each.configuration.log_target]
        if name is None and plain:
            name = plain[0]
        if name in plain:
            return by_name[name]
        one_of = f"one of {join_items(map(repr, plain), len(plain))}" if plain else ""
        if name is not None and name not in by_name:
            raise InputError(parameter="member", given=name, expected=one_of or "no member")
        who = "all members" if name is None else f"the member {name!r}"
        raise InputError(
            f"the networks of {who} learned the logarithm of the target, and not the target",
            parameter="member",
            given=name,
            expected=one_of or "a member that learned the target itself",
            hint=None if plain else "train a single network",
        )

    def network(self, member: str | None = None) -> NetworkModel:
        """Return one of the networks as a model of its own, to explain or export it.

        All networks of a member have the same weight, and it is the first, which was trained
        without the first fold. Its scores are not those of the portfolio, and it has none.

        Parameters
        ----------
        member : str, optional
            As :meth:`member` takes it.

        Raises
        ------
        InputError
            If there is no such member.
        """
        chosen = self.member(member)
        target, configuration = self.target, chosen.configuration
        if self.task == "regression":
            scale = self.portfolio.target
            record = target.to_dict() | {"mean": scale.mean, "std": scale.std}
            target = TargetEncoder.from_dict(record)
        settings = {
            "rule": "adam",
            "learning_rate": configuration.learning_rate,
            "l2": configuration.l2,
            "dropout": configuration.dropout,
            "layers": list(configuration.layers),
        }
        return NetworkModel(
            schema=self.schema,
            target=target,
            settings=settings,
            report={"rows": self.report["rows"], "scores": {}},
            model=chosen.models[0],
            encoder=self.portfolio.encoder_of(chosen),
        )

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        extras: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write the networks of weight above 0; parameters and errors as in :class:`TableModel`."""
        record, arrays = stored_portfolio(self.portfolio)
        write_bundle(
            folder,
            KIND,
            PORTFOLIO_VERSION,
            {"model.json": {"portfolio": record, "extra": self._extra()}},
            arrays,
            overwrite=overwrite,
            # A recording in the folder is of another model, and is removed.
            parts={FOLDER: Part(RECORDING)},
            extras=extras,
        )

    @classmethod
    def of_bundle(
        cls,
        folder: str | os.PathLike[str],
        documents: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
    ) -> PortfolioModel:
        """Return the model of a folder's documents and arrays; raise as ``load`` does."""
        data = documents["model.json"]
        with reading_model(folder):
            portfolio = portfolio_of(data["portfolio"], arrays)
        with reading_table_model(folder):
            loaded = cls(portfolio=portfolio, **cls._fields(data["extra"]))
        if portfolio.target.n_classes != len(loaded.classes):
            raise FileError(
                f"the target in {str(folder)!r} has {len(loaded.classes)} classes, and its "
                f"networks predict {portfolio.target.n_classes}; restore it, or train again"
            )
        return loaded
