"""A trained portfolio with its table's schema and encoders: it predicts labels from tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.files import Bundle, Part
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tables import Column, Table, TypedColumns, apply_schema, table_from_frame
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tables.row_digests import RowDigests
from deltarule.tables.table import join_items
from deltarule.tabular.division import DIVISION, division_of, recorded_division
from deltarule.tabular.interval_storage import (
    check_interval_arrays,
    intervals_of,
    stored_intervals,
)
from deltarule.tabular.intervals import Intervals
from deltarule.tabular.model import TableModel
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.portfolio import Member, Portfolio
from deltarule.tabular.portfolio.storage import (
    check_portfolio_arrays,
    portfolio_of,
    stored_portfolio,
)
from deltarule.tabular.rows_seen import ROW_DIGESTS
from deltarule.tabular.settings import TableSettings
from deltarule.training.model import KIND, PORTFOLIO_VERSION, TIMES
from deltarule.training.recording import FOLDER
from deltarule.training.recording import KIND as RECORDING

__all__ = ["PortfolioModel"]

# What the names of the arrays of intervals begin with.
_OF_INTERVALS = "intervals."
_NOT_NEW = (
    "the portfolio was trained on these rows before, so its scores before are too good; an update "
    "is for new rows"
)
# What scores of a distilled network are of.
_OF_TEST_ROWS = (
    "the scores are of the test rows of the training, which neither the portfolio nor the network "
    "was trained on"
)
_NO_SCORES = "there are no scores: the portfolio was trained on all rows of this table"


@dataclasses.dataclass(frozen=True)
class PortfolioModel(TableModel):
    """A trained portfolio with the schema and the encodings of its table.

    Attributes
    ----------
    schema, target, settings, report
        As in :class:`TableModel`.
    portfolio : Portfolio
        The networks with their encoders, weights and temperature.
    intervals : Intervals or None
        What quantiles are predicted by; None for classes.

    Examples
    --------
    See :func:`deltarule.tabular.fit_table`.
    """

    portfolio: Portfolio
    intervals: Intervals | None = None

    def _intervals(self) -> Intervals | None:
        return self.intervals

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
        from deltarule.tabular.diagnostics.training import column_treatments

        return column_treatments(self.portfolio.pruned().encoders.values())

    def members(self) -> tuple[Member, ...]:
        """Return the members of weight above 0, the highest weight first."""
        return tuple(sorted(self.portfolio.used, key=lambda member: -member.weight))

    def member(self, name: str | None = None) -> Member:
        """Return a member of weight above 0 by name.

        None is the one of the highest weight of those whose inputs are each of one column; of all,
        if there is none. Its networks predict the target itself: one that learned the logarithm of
        the target is no member that a :class:`NetworkModel` can hold.

        Raises
        ------
        InputError
            If there is no such member.
        """
        by_name = {each.configuration.name: each for each in self.members()}
        plain = [key for key, each in by_name.items() if not each.configuration.log_target]
        if name is None and plain:
            mixed = [key for key in plain if by_name[key].configuration.random_features]
            name = next((key for key in plain if key not in mixed), plain[0])
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
        configuration = chosen.configuration
        settings = {
            "rule": "adam",
            "learning_rate": configuration.learning_rate,
            "l2": configuration.l2,
            "dropout": configuration.dropout,
            "layers": list(configuration.layers),
        }
        return NetworkModel(
            schema=self.schema,
            target=self.portfolio.target.target_encoder(self.target),
            settings=settings,
            report={
                "rows": self.report["rows"],
                "scores": {},
                "notes": [],
                "member": {
                    "name": configuration.name,
                    "networks": sum(len(each.models) for each in self.members()),
                },
                **self._origin(),
            },
            model=chosen.models[0],
            encoder=self.portfolio.encoder_of(chosen),
        )

    def distill(self, table: Any, *, seed: int = 0) -> NetworkModel:
        """Return one network that is trained to predict what all networks predict.

        See :func:`deltarule.tabular.distill.distill`. If the table is that of the training, the
        network learns from its training rows and is scored on its test rows, which neither the
        portfolio nor the network was trained on. Of another table a fifth is held out for the
        scores.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
            The table of the training, or other rows like those to be predicted. Without the
            target there are no scores.
        seed : int

        Returns
        -------
        NetworkModel
            ``report["scores"]["test"]`` has its scores, ``report["baselines"]["portfolio"]`` those
            of the portfolio on the same rows, and ``report["notes"]`` says which rows these are.

        Raises
        ------
        InputError
            If there are fewer than 20 rows to learn from.
        DataError
            If the table's columns do not fit the model's.
        """
        from deltarule.tabular.distill import OF_OTHER_ROWS, SCORED_SHARE, distill
        from deltarule.tabular.splitting import split_table

        rows = table_from_frame(table, na=self.schema.na)
        name = "" if self.schema.target is None else self.schema.target.name
        typed = apply_schema(self.schema, rows, need_target=name in rows)
        parts, note = {"train": typed}, f"there are no scores: the rows have no column {name!r}"
        of_test_rows = False
        if typed.target is not None:
            seen = self.trained_on(typed)
            share = self.settings["test"] if seen else SCORED_SHARE
            settings = TableSettings(test=share, valid=0.0, seed=self.settings["seed"])
            parts = split_table(self.schema, typed, settings)
            note = OF_OTHER_ROWS if "test" in parts else _NO_SCORES
            of_test_rows = seen and "test" in parts
            note = _OF_TEST_ROWS if of_test_rows else note
        distilled = distill(
            self.portfolio,
            self.schema,
            self.target,
            parts["train"],
            scored=parts.get("test"),
            seed=seed,
        )
        if of_test_rows:
            distilled.report["distilled"]["part"] = "test"
        distilled.report["notes"].append(note)
        distilled.report.update(self._digests_with(typed))
        if typed.target is not None:
            # The settings of a distilled network are of its own training, and have no test rows.
            sizes = {name: len(part) for name, part in parts.items()}
            distilled.report[DIVISION] = recorded_division(settings, sizes)
        # A checksum is of cells and targets: of rows without a target there is none.
        checksum = "" if typed.target is None else cells_checksum(typed)
        distilled.report["fingerprint"] = checksum
        distilled.report["tables"] = self._tables_with(rows, typed, checksum)
        return distilled

    def update(self, table: Any, *, seed: int = 0) -> PortfolioModel:
        """Return the portfolio after further training on new rows, with its encoders.

        See :func:`deltarule.tabular.update.update_portfolio`. What was learned from the old rows
        fades: with these at hand, a new fit to all rows is better, unless the new ones differ from
        them in what they say.

        Parameters
        ----------
        table : Table, frame, or mapping of str to column
            At least 20 new rows, with their target.
        seed : int

        Returns
        -------
        PortfolioModel
            ``report["scores"]["out_of_fold"]`` has the scores on the new rows, by networks that
            were not trained on the row, and ``report["baselines"]["before"]`` those of the
            portfolio as it was. ``report["updated"]`` counts the networks that ``moved``, were
            ``kept`` as they were, or ``diverged`` and stayed.

        Raises
        ------
        InputError
            If there are fewer rows, or targets that the networks cannot learn.
        DataError
            If the table's columns do not fit the model's, or its target has an unknown class.
        """
        from deltarule.tabular.network_fit import true_values
        from deltarule.tabular.portfolio.losses import portfolio_loss
        from deltarule.tabular.splitting import row_weights
        from deltarule.tabular.update import update_portfolio

        rows = table_from_frame(table, na=self.schema.na)
        given = apply_schema(self.schema, rows, need_target=True)
        checksum = cells_checksum(given)
        typed = given.take(np.flatnonzero(row_weights(given) > 0))
        truth = true_values(self.target, typed)
        updated = update_portfolio(
            self.portfolio,
            typed,
            truth,
            # A portfolio of fit_table is trained by log loss, or squared error.
            portfolio_loss(None, len(self.classes)).criterion(self.portfolio.target),
            weights=typed.weights,
            seed=seed,
        )
        intervals = self.intervals
        if intervals is not None:
            intervals = intervals.extended(typed, updated.portfolio.oof, truth, typed.weights)
        networks = [each for member in updated.portfolio.used for each in member.models]
        report = {
            "task": self.task,
            "rows": {"train": len(typed)},
            "networks": len(networks),
            "parameters": sum(each.net.n_parameters for each in networks),
            "scores": {"out_of_fold": self.score(typed, updated.portfolio.oof)},
            "baselines": {"before": self.score(typed, self.outputs(typed))},
            "baselines_on": "train",
            "updated": updated.counts,
            "notes": [*([_NOT_NEW] if self.trained_on(given) else []), *updated.notes],
            "data_notes": list(given.notes),
            "fingerprint": checksum,
            "tables": self._tables_with(rows, given, checksum),
            **self._digests_with(given),
        }
        settings = {**self.settings, "test": 0.0, "seed": seed}
        return dataclasses.replace(
            self,
            portfolio=updated.portfolio,
            intervals=intervals,
            settings=settings,
            report=report,
        )

    def _tables_with(self, rows: Table, typed: TypedColumns, checksum: str) -> list[dict[str, Any]]:
        """Return what is known of the tables of the training and of this one, in their order."""
        own = self.report.get("fingerprint", "")
        first = {"source": self.schema.source, "rows": self.schema.n_rows, "sha256": own}
        tables: list[dict[str, Any]] = list(self.report.get("tables", [first]))
        if checksum and checksum in (each["sha256"] for each in tables):
            return tables
        return [*tables, {"source": rows.source, "rows": len(typed), "sha256": checksum}]

    def _origin(self) -> dict[str, Any]:
        """Return the entries of the report on which table it was, and how its rows were divided."""
        known = ("fingerprint", "tables", ROW_DIGESTS)
        origin = {name: self.report[name] for name in known if name in self.report}
        division = division_of(self.settings, self.report)
        return origin if division is None else {**origin, DIVISION: recorded_division(*division)}

    def _digests_with(self, typed: TypedColumns) -> dict[str, Any]:
        """Return the digests of the rows of the training and of these; none if not known.

        A digest is of a row with its target, so rows without targets add none.
        """
        saved = self.report.get(ROW_DIGESTS)
        digests = None if saved is None else RowDigests.from_dict(saved)
        if digests is None:
            return {}
        both = digests if typed.target is None else digests.with_rows(typed)
        return {ROW_DIGESTS: both.to_dict()}

    def _parts(self) -> dict[str, Part]:
        # A recording in the folder is of another model, and is removed.
        return {FOLDER: Part(RECORDING)}

    def _bundle(self) -> Bundle:
        record, arrays = stored_portfolio(self.portfolio)
        document = {"portfolio": record, "extra": self._extra()}
        if self.intervals is not None:
            document["intervals"], more = stored_intervals(self.intervals)
            arrays |= {f"{_OF_INTERVALS}{name}": values for name, values in more.items()}
        return Bundle(KIND, PORTFOLIO_VERSION, {"model.json": document}, arrays, TIMES)

    @staticmethod
    def check_arrays(documents: Mapping[str, Any], specs: Mapping[str, Any]) -> None:
        """Refuse documents that are none of a portfolio, or arrays that are not its own.

        Called before the arrays are read.

        Raises
        ------
        InputError
        """
        check_keys(documents, {"model.json"})
        data = documents["model.json"]
        check_keys(data, {"portfolio", "extra", "intervals"})
        own, more = _split(specs)
        check_portfolio_arrays(entry(data, "portfolio", Mapping[str, Any]), own)
        if "intervals" in data:
            check_interval_arrays(entry(data, "intervals", Mapping[str, Any]), more)
        elif more:
            raise InputError("it holds arrays of intervals, and says of none")

    @classmethod
    def of_bundle(
        cls, documents: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> PortfolioModel:
        """Return the model of a folder's documents and arrays.

        Raises
        ------
        InputError
            If they are none of a portfolio with its table.
        """
        cls.check_arrays(documents, arrays)
        data = documents["model.json"]
        own, more = _split(arrays)
        portfolio, intervals = portfolio_of(data["portfolio"], own), None
        if "intervals" in data:
            intervals = intervals_of(data["intervals"], more)
        extra = entry(data, "extra", Mapping[str, Any])
        check_keys(extra, {"schema", "target", "settings", "report"})
        loaded = cls(portfolio=portfolio, intervals=intervals, **cls._fields(extra))
        if portfolio.target.n_classes != len(loaded.classes):
            raise InputError(
                f"the target has {len(loaded.classes)} classes, and its networks predict "
                f"{portfolio.target.n_classes}"
            )
        if intervals is not None and loaded.classes:
            raise InputError("it has intervals, and predicts classes")
        for encoder in portfolio.encoders.values():
            encoder.check_columns(loaded.schema)
        if intervals is not None and intervals.scale is not None:
            prediction = Column(intervals.column, "number")
            columns = (*loaded.schema.columns, prediction)
            schema = dataclasses.replace(loaded.schema, columns=columns)
            for encoder in intervals.scale.encoders.values():
                encoder.check_columns(schema)
        return loaded


def _split(arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of the networks, and those of the intervals without their prefix."""
    more = {name for name in arrays if name.startswith(_OF_INTERVALS)}
    own = {name: each for name, each in arrays.items() if name not in more}
    return own, {name.removeprefix(_OF_INTERVALS): arrays[name] for name in more}
