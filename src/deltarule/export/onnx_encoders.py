"""The encoders of a table's columns as ONNX operators, in float64, and then a cast.

All columns of numbers that have the same kind of encoder are computed at once, so that a graph is
hardly larger for a hundred columns than for one.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.export.onnx_columns import InputColumns
from deltarule.export.onnx_graph import GraphValue
from deltarule.tables import TableEncoder, TextColumn
from deltarule.tables.calendar_encoder import PERIODS, CalendarEncoder
from deltarule.tables.column_encoders import CategoryEncoder, NumberEncoder
from deltarule.tables.number_encoders import (
    FREQUENCIES,
    PeriodicEncoder,
    PiecewiseLinearEncoder,
    QuantileNormalEncoder,
    RobustEncoder,
)
from deltarule.tables.table import join_items
from deltarule.tables.target_statistics import TargetStatisticsEncoder
from deltarule.tables.text_encoder import FreeTextEncoder

__all__ = ["check_encoder", "encoder_nodes"]


def check_encoder(encoder: TableEncoder) -> None:
    """Refuse an encoder with a column that has no form in ONNX, before anything is made.

    Raises
    ------
    InputError
        With the names of the columns.
    """
    texts = [e.name for e in encoder.column_encoders if isinstance(e, FreeTextEncoder)]
    if texts:
        what = "column" if len(texts) == 1 else "columns"
        raise InputError(
            f"the model reads free text in the {what} {join_items(map(repr, texts), 8)}, by the "
            "characters in its words, for which ONNX has no operator; nothing was written",
            expected="columns of numbers, dates and categories",
            hint="leave the text out of the table, and fit again",
        )
    kinds = (CategoryEncoder, TargetStatisticsEncoder, CalendarEncoder, *_NUMBER_KINDS)
    unknown = [e for e in encoder.column_encoders if not isinstance(e, kinds)]
    if unknown:
        names = join_items((f"{e.name!r} ({type(e).__name__})" for e in unknown), 8)
        raise InputError(
            f"the encoders of the columns {names} have no form in ONNX; nothing was written",
            expected="the encoders of deltarule",
        )


_NUMBER_KINDS = (
    NumberEncoder,
    RobustEncoder,
    QuantileNormalEncoder,
    PiecewiseLinearEncoder,
    PeriodicEncoder,
)


def encoder_nodes(inputs: InputColumns, encoder: TableEncoder, dtype: Any) -> GraphValue:
    """Add an encoder to the graph; return the features in ``dtype``, shape (N, n_features)."""
    graph, plan = inputs.graph, _Plan(inputs)
    at = 0
    for each in encoder.column_encoders:
        width = len(each.features())
        if width:
            plan.add(each, list(range(at, at + width)))
        at += width
    plan.finish()
    order = [position for _, positions in plan.pieces for position in positions]
    features: GraphValue = graph.node("Concat", *(value for value, _ in plan.pieces), axis=1)
    columns = np.argsort(order, kind="stable").tolist()
    features = graph.cast(graph.columns(features, columns, len(order)), dtype)
    of_all = encoder.of_all
    if of_all is not None:
        # Of the features as they were rounded, which is what training saw.
        rows = graph.cast(features, np.float64)
        angles = graph.node("MatMul", rows, graph.constant(of_all.weights))
        waves = [graph.cast(graph.apply(wave, angles), dtype) for wave in ("sin", "cos")]
        features = graph.node("Concat", features, *waves, axis=1)
    return features


@dataclasses.dataclass(frozen=True)
class _Cell:
    """A feature of a column of numbers: the column, its encoder and the feature's position."""

    column: int
    encoder: Any
    position: int
    numbers: tuple[float, ...] = ()


class _Plan:
    """The features of an encoder: computed pieces with the positions of their columns."""

    def __init__(self, inputs: InputColumns) -> None:
        self.inputs, self.graph = inputs, inputs.graph
        self.pieces: list[tuple[GraphValue, list[int]]] = []
        self.standard: list[_Cell] = []
        self.robust: list[_Cell] = []
        self.bins: list[_Cell] = []
        self.normal: list[_Cell] = []
        self.waves: list[_Cell] = []
        self.marks: list[_Cell] = []

    def add(self, encoder: Any, positions: list[int]) -> None:
        """Plan the features of one column."""
        if isinstance(encoder, CategoryEncoder):
            codes = self.inputs.text_codes(
                encoder.name, (*encoder.levels, *encoder.other), encoder.codes
            )
            column = self.graph.node("Unsqueeze", codes, self.graph.constant([1], np.int64))
            groups = self.graph.constant(np.arange(len(positions)))
            self.pieces.append((self.graph.cast(column == groups, np.float64), positions))
        elif isinstance(encoder, TargetStatisticsEncoder):
            self._add_target_statistics(encoder, positions)
        elif isinstance(encoder, CalendarEncoder):
            self._add_calendar(encoder, positions)
        else:
            self._add_number(encoder, positions)

    def _add_target_statistics(
        self, encoder: TargetStatisticsEncoder, positions: list[int]
    ) -> None:
        known = [level for level in encoder.levels if level is not None]
        rows: list[np.ndarray] = []

        def codes(labels: TextColumn) -> np.ndarray:
            encoded = np.zeros((len(labels), len(positions)))
            encoder.write(labels, encoded)
            distinct, index = np.unique(encoded, axis=0, return_inverse=True)
            rows.append(distinct)
            return index.reshape(-1)

        index = self.inputs.text_codes(encoder.name, known, codes)
        table = self.graph.constant(rows[0], np.float64)
        self.pieces.append((self.graph.node("Gather", table, index, dtype="float64"), positions))

    def _add_number(self, encoder: Any, positions: list[int]) -> None:
        column = self.inputs.numbers[encoder.name]
        if encoder.indicator:
            self.marks.append(_Cell(column, encoder, positions[-1]))
        if not encoder.varies:
            return
        first = positions[0]
        if isinstance(encoder, NumberEncoder):
            self.standard.append(_Cell(column, encoder, first))
        elif isinstance(encoder, RobustEncoder):
            self.robust.append(_Cell(column, encoder, first))
        elif isinstance(encoder, PiecewiseLinearEncoder):
            self.robust.append(_Cell(column, encoder.robust, first))
            edges = pairwise(encoder.edges)
            self.bins += [
                _Cell(column, encoder, position, edge)
                for position, edge in zip(positions[1:], edges, strict=False)
            ]
        elif isinstance(encoder, QuantileNormalEncoder):
            self.normal.append(_Cell(column, encoder, first))
        else:
            place = len(self.normal)
            self.normal.append(_Cell(column, encoder.normal, first))
            self.waves += [
                _Cell(place, encoder, positions[1 + 2 * k], (2 * np.pi * frequency,))
                for k, frequency in enumerate(FREQUENCIES)
            ]

    def _add_calendar(self, encoder: CalendarEncoder, positions: list[int]) -> None:
        graph, column = self.graph, self.inputs.numbers[encoder.name]
        place = graph.constant([column], np.int64)
        missing = graph.node("Gather", self.inputs.missing, place, axis=1)
        t = graph.apply("where", missing, 0.0, graph.node("Gather", self._values(), place, axis=1))
        at = int(encoder.elapsed.varies)
        for period in encoder.periods:
            length, harmonics = PERIODS[period]
            days = graph.apply("floor", t) if period == "week" else t
            # The remainder of Python, which has the sign of the divisor.
            rest = graph.node("Mod", days, graph.constant(length), fmod=1)
            rest = graph.apply("where", rest < 0, rest + length, rest)
            multiples = graph.constant([2 * np.pi * k for k in range(1, harmonics + 1)])
            angles = multiples * (rest / length)
            for k, wave in enumerate(("sin", "cos")):
                found = graph.apply("where", missing, 0.0, graph.apply(wave, angles))
                self.pieces.append((found, positions[at + k : at + 2 * harmonics : 2]))
            at += 2 * harmonics
        first = int(encoder.elapsed.varies)
        if first or encoder.elapsed.indicator:
            self._add_number(encoder.elapsed, [*positions[:first], *positions[at:]])

    def _values(self) -> GraphValue:
        return self.inputs.values

    def finish(self) -> None:
        """Compute the features of numbers, all columns with encoders of one kind together."""
        graph = self.graph
        if self.standard:
            x = self._filled(self.standard)
            self._keep(_standardised(x, *_numbers(self.standard, "mean", "std")), self.standard)
        if self.robust:
            x = self._filled(self.robust)
            z = _standardised(x, *_numbers(self.robust, "median", "scale"))
            z = graph.apply("minimum", graph.apply("maximum", z, -1e100), 1e100)
            third = z / 3
            self._keep(z / graph.apply("sqrt", 1 + third * third), self.robust)
        if self.bins:
            self._keep(self._bins(), self.bins)
        if self.normal:
            z = _interpolated(self._filled(self.normal), self.normal)
            self._keep(z, self.normal)
            if self.waves:
                columns = [cell.column for cell in self.waves]
                factors = graph.constant([cell.numbers[0] for cell in self.waves])
                angles = factors * graph.columns(z, columns, len(self.normal))
                for k, wave in enumerate(("sin", "cos")):
                    positions = [cell.position + k for cell in self.waves]
                    self.pieces.append((graph.apply(wave, angles), positions))
        if self.marks:
            columns = [cell.column for cell in self.marks]
            missing = graph.columns(self.inputs.missing, columns, len(self.inputs.numbers))
            self._keep(graph.cast(missing, np.float64), self.marks)

    def _keep(self, value: GraphValue, cells: list[_Cell]) -> None:
        self.pieces.append((value, [cell.position for cell in cells]))

    def _filled(self, cells: list[_Cell]) -> GraphValue:
        """Return the columns of these features, the median where a cell is missing."""
        graph, width = self.graph, len(self.inputs.numbers)
        columns = [cell.column for cell in cells]
        missing = graph.columns(self.inputs.missing, columns, width)
        medians = graph.constant([cell.encoder.median for cell in cells])
        values = graph.columns(self._values(), columns, width)
        return graph.apply("where", missing, medians, values)

    def _bins(self) -> GraphValue:
        """Return the features of bins, as :class:`PiecewiseLinearEncoder` defines them."""
        graph = self.graph
        low, high = np.array([cell.numbers for cell in self.bins]).T
        with np.errstate(over="ignore"):
            unit = np.where(high - low < np.inf, 1.0, 2.0)
        inside = graph.apply("maximum", self._filled(self.bins), graph.constant(low))
        inside = graph.apply("minimum", inside, graph.constant(high))
        if (unit > 1).any():
            inside = inside / graph.constant(unit)
        width = graph.constant(high / unit - low / unit)
        return (inside - graph.constant(low / unit)) / width - 0.5


def _numbers(cells: list[_Cell], *names: str) -> list[np.ndarray]:
    """Return attributes of the encoders of cells, an array of each."""
    return [np.array([getattr(cell.encoder, name) for cell in cells]) for name in names]


def _standardised(x: GraphValue, mean: np.ndarray, std: np.ndarray) -> GraphValue:
    """Return (x − mean)/std, also where x − mean would overflow."""
    graph: Any = x.namespace
    found = (x - graph.constant(mean)) / graph.constant(std)
    if np.abs(mean).max() < 1e290:  # no float64 is near enough to infinity for that
        return found
    quarters = (x / 4 - graph.constant(mean / 4)) / graph.constant(std / 4)
    beyond = graph.node("IsInf", found, dtype="bool")
    return graph.apply("where", beyond, quarters, found)


def _interpolated(x: GraphValue, cells: list[_Cell]) -> GraphValue:
    """Return the scores of cells, interpolated between the knots of their columns.

    The knots of all columns stand in one array, each column's filled up with infinity to the same
    power of two; the last knot that is not above x is found by bisection.
    """
    graph: Any = x.namespace
    encoders = [cell.encoder for cell in cells]
    size = 1 << max(max(len(each.knots) for each in encoders) - 1, 1).bit_length()
    knots = np.full((len(cells), size), np.inf)
    scores, slopes = np.zeros_like(knots), np.zeros_like(knots)
    for row, each in enumerate(encoders):
        n = len(each.knots)
        knots[row, :n], scores[row, :n] = each.knots, each.scores
        with np.errstate(over="ignore"):
            slopes[row, : n - 1] = np.diff(each.scores) / np.diff(each.knots)
    ends = [graph.constant([each.knots[k] for each in encoders]) for k in (0, -1)]
    x = graph.apply("minimum", graph.apply("maximum", x, ends[0]), ends[1])
    flat, first = graph.constant(knots.ravel()), np.arange(len(cells)) * size
    at: Any = graph.constant(first)
    step = size // 2
    while step:
        further = at + step
        reached = graph.node("Gather", flat, further) <= x
        at = graph.node("Where", reached, further, at, dtype="int64")
        step //= 2
    # At the last knot the line before it ends; there is none after it.
    last_lines = graph.constant(first + [len(each.knots) - 2 for each in encoders])
    at = graph.node("Min", at, last_lines)
    start, slope, score = (
        graph.node("Gather", graph.constant(each.ravel()), at) for each in (knots, slopes, scores)
    )
    return slope * (x - start) + score
