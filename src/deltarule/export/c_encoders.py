"""Encoders of table columns as C: cells in, inputs of the network out.

Cells and encoders are in double, as in Python: a timestamp in float would lose 37 seconds. Tables
of codes come from the encoder itself, which is asked for every level.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import InputError, Message, Parameter
from deltarule.export.c_names import comment, literals, shared_type
from deltarule.export.unseen_text import unseen_text
from deltarule.tables import Schema, TableEncoder, TextColumn
from deltarule.tables.calendar_encoder import PERIODS, CalendarEncoder
from deltarule.tables.cells import parse_number
from deltarule.tables.column_encoders import CategoryEncoder, NumberEncoder
from deltarule.tables.number_encoders import (
    FREQUENCIES,
    PeriodicEncoder,
    PiecewiseLinearEncoder,
    QuantileNormalEncoder,
    RobustEncoder,
)
from deltarule.tables.schema import Column
from deltarule.tables.target_statistics import TargetStatisticsEncoder
from deltarule.tables.text_encoder import FreeTextEncoder

__all__ = [
    "HELPERS",
    "MISSING",
    "OTHER",
    "ColumnCode",
    "column_codes",
    "constant_table",
    "of_all_columns",
]

MISSING, OTHER = -1, -2
"""The codes of a missing cell, and of a level without a code of its own."""

# Functions that the code of columns calls, in the order in which they call each other; REAL is the
# type of a table.
HELPERS = {
    "cell": """\
static double dr_cell(double x, double low, double high) {
  return x >= low && x <= high ? x : (double)NAN;
}
""",
    "known": """\
static double dr_known(double x, double median) { return x == x ? x : median; }
""",
    "standard": """\
static double dr_standard(double x, double mean, double std) {
  const double z = (x - mean) / std;
  return fabs(z) <= 1.7976931348623157e308 ? z : (x / 4 - mean / 4) / (std / 4);
}
""",
    "robust": """\
static double dr_robust(double x, double median, double scale) {
  double z = dr_standard(x, median, scale);
  z = z > 1e100 ? 1e100 : z < -1e100 ? -1e100 : z;
  return z / sqrt(1 + (z / 3) * (z / 3));
}
""",
    "normal": """\
static double dr_normal_REAL(double x, const REAL *knots, const float *scores, int n) {
  int low = 0, high = n - 1;
  if (x <= (double)knots[0]) return (double)scores[0];
  if (x >= (double)knots[high]) return (double)scores[high];
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if ((double)knots[middle] <= x) low = middle; else high = middle;
  }
  return ((double)scores[high] - (double)scores[low]) /
             ((double)knots[high] - (double)knots[low]) * (x - (double)knots[low]) +
         (double)scores[low];
}
""",
    "bins": """\
static void dr_bins_REAL(double x, const REAL *edges, int n, float *out) {
  for (int k = 0; k + 1 < n; ++k) {
    const double low = (double)edges[k], high = (double)edges[k + 1];
    const double unit = high - low <= 1.7976931348623157e308 ? 1 : 2;
    const double inside = x < low ? low : x > high ? high : x;
    out[k] = (float)((inside / unit - low / unit) / (high / unit - low / unit) - 0.5);
  }
}
""",
    "wave": """\
/* The sine and the cosine of so many turns. */
static void dr_wave(double turns, float *out) {
  const float angle = (float)(6.283185307179586 * (turns - rint(turns)));
  out[0] = sinf(angle);
  out[1] = cosf(angle);
}
""",
    "waves": """\
static void dr_waves(double z, const double *frequencies, int n, float *out) {
  for (int k = 0; k < n; ++k) dr_wave(frequencies[k] * z, out + 2 * k);
}
""",
    "phases": """\
static void dr_phases(double t, double period, int n, float *out) {
  double phase = fmod(t, period);
  if (phase < 0) phase += period;
  for (int k = 1; k <= n; ++k)
    if (t == t) dr_wave(k * (phase / period), out + 2 * (k - 1));
    else out[2 * k - 2] = out[2 * k - 1] = 0;
}
""",
    "group": """\
static int dr_group(int code, int n, int missing, int other) {
  return code >= 0 && code < n ? code : code == -1 ? missing : other;
}
""",
    "one_hot": """\
static void dr_one_hot(int group, int n, float *out) {
  for (int k = 0; k < n; ++k) out[k] = k == group ? 1 : 0;
}
""",
    "row_of": """\
static void dr_row_of(const float *table, int row, int n, float *out) {
  for (int k = 0; k < n; ++k) out[k] = table[row * n + k];
}
""",
    "mixtures": """\
/* The sines and the cosines of mixtures of the first n inputs. */
static void dr_mixtures(float *x, int n, const float *weights, int pairs) {
  for (int j = 0; j < pairs; ++j) {
    double turns = 0;
    float wave[2];
    for (int k = 0; k < n; ++k) turns += (double)x[k] * (double)weights[k * pairs + j];
    dr_wave(turns / 6.283185307179586, wave);
    x[n + j] = wave[0];
    x[n + pairs + j] = wave[1];
  }
}
""",
}
_CALLS = {"robust": ("standard",), "waves": ("wave",), "phases": ("wave",), "mixtures": ("wave",)}
_LIMIT = 1.7976931348623157e308


@dataclasses.dataclass
class ColumnCode:
    """The code that encodes one column.

    Attributes
    ----------
    column : Column
    member : str
        The name of its cell in the struct of a row.
    at : int
        The place of its first input.
    lines : list of str
    tables : list of str
        Declarations of constants.
    helpers : list of str
        Names of functions in :data:`HELPERS`, with their type after a colon.
    levels : tuple of str
        The level of each code of a category; empty for numbers.
    other : tuple of str
        Rare levels, which share what :data:`OTHER` is encoded as.
    missing_numbers : tuple of float
        Numbers that mean missing.
    """

    column: Column
    member: str
    at: int
    lines: list[str] = dataclasses.field(default_factory=list)
    tables: list[str] = dataclasses.field(default_factory=list)
    helpers: list[str] = dataclasses.field(default_factory=list)
    levels: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    missing_numbers: tuple[float, ...] = ()

    @property
    def is_category(self) -> bool:
        """Whether its cells are codes."""
        return self.column.kind == "category"

    def use(self, *helpers: str) -> None:
        """Note that the code calls these functions."""
        for each in helpers:
            for needed in (*_CALLS.get(each.partition(":")[0], ()), each):
                if needed not in self.helpers:
                    self.helpers.append(needed)

    def table(self, name: str, values: np.ndarray, real: str) -> str:
        """Declare a table of constants; return its name."""
        full = f"{name}_{self.member}"
        self.tables.append(constant_table(full, values, real))
        return full


def constant_table(name: str, values: np.ndarray, real: str) -> str:
    """Return the declaration of a table of constants.

    Examples
    --------
    >>> print(constant_table("b", np.array([0.5, 1.0]), "float"))
    static const float b[2] = {
      0.5f, 1.0f};
    """
    texts = iter(literals(values, real))
    rows = [", ".join(row) for row in iter(lambda: list(itertools.islice(texts, 8)), [])]
    body = ",\n  ".join(rows)
    return f"static const {real} {name}[{np.size(values)}] = {{\n  {body}}};"


def column_codes(
    encoder: TableEncoder, schema: Schema, member: Callable[[str], str]
) -> list[ColumnCode]:
    """Return the code of every column that gives inputs.

    Parameters
    ----------
    encoder : TableEncoder
    schema : Schema
    member : callable
        Gives the name of a column in the struct of a row.

    Raises
    ------
    InputError
        If a column is encoded in a way that is not exported; all such columns are named.
    """
    texts = [each.name for each in encoder.column_encoders if isinstance(each, FreeTextEncoder)]
    if texts:
        raise InputError(
            f"the columns {', '.join(map(repr, texts))} hold free text, whose encoding by the "
            "characters in words is not exported to C",
            parameter="model",
            expected="columns of numbers, dates and categories",
            hint=Message(
                "give ",
                Parameter("encoded", True),
                " for a program that takes the inputs of the network as they are encoded, or "
                "train without these columns",
            ),
        )
    codes, at = [], 0
    for each in encoder.column_encoders:
        width = len(each.features())
        if width:
            column: Column = schema[each.name]
            code = ColumnCode(column, member(each.name), at)
            code.lines.append(f"/* {comment(column.name)} */")
            _write(each, code)
            codes.append(code)
        at += width
    return codes


def of_all_columns(encoder: TableEncoder) -> ColumnCode | None:
    """Return the code of the features of all columns together, if there are any."""
    random = encoder.of_all
    if random is None:
        return None
    n = len(random.weights)
    code = ColumnCode(Column("(all)", "number"), "all", n)
    code.use("mixtures")
    table = code.table("mixtures", random.weights, "float")
    code.lines = ["/* all columns */", f"dr_mixtures(x, {n}, {table}, {random.pairs});"]
    return code


def _write(encoder: Any, code: ColumnCode) -> None:
    if isinstance(encoder, CategoryEncoder):
        _write_category(encoder, code)
    elif isinstance(encoder, TargetStatisticsEncoder):
        _write_statistics(encoder, code)
    else:
        _write_cell(code)
        _write_number(encoder, code)


def _write_cell(code: ColumnCode) -> None:
    """Write the cell, which is NaN where it is missing or out of the column's scale."""
    column = code.column
    low = -_LIMIT if column.low is None else column.low
    high = _LIMIT if column.high is None else column.high
    code.use("cell")
    limits = ", ".join(literals(np.array([low, high]), "double"))
    code.lines.append(f"cell = dr_cell(row->{code.member}, {limits});")
    if column.kind == "number":
        found = {parse_number(token) for token in column.na} - {None}
        code.missing_numbers = tuple(sorted(each for each in found if each is not None))
    code.lines += [
        f"if (cell == {text}) cell = (double)NAN;"
        for text in literals(np.array(code.missing_numbers), "double")
    ]


def _write_number(encoder: Any, code: ColumnCode) -> None:
    at = code.at
    if isinstance(encoder, CalendarEncoder):
        # Elapsed time first, then the periods, and last whether the date is missing.
        elapsed = encoder.elapsed
        first = int(elapsed.varies)
        at += first
        for period in encoder.periods:
            length, harmonics = PERIODS[period]
            cell = "floor(cell)" if period == "week" else "cell"
            code.use("phases")
            code.lines.append(f"dr_phases({cell}, {length}, {harmonics}, x + {at});")
            at += 2 * harmonics
        if elapsed.varies:
            _write_values(elapsed, code, code.at, at)
        at += len(elapsed.features()) - first - int(elapsed.indicator)
        if elapsed.indicator:
            code.lines.append(f"x[{at}] = cell != cell;")
        return
    if encoder.varies:
        _write_values(encoder, code, at, at + 1)
    if encoder.indicator:
        code.lines.append(f"x[{at + len(encoder.features()) - 1}] = cell != cell;")


def _write_values(encoder: Any, code: ColumnCode, at: int, more: int) -> None:
    """Write the first input of a number at ``at``, and the others from ``more`` on."""
    code.use("known")
    code.lines.append(f"value = dr_known(cell, {_number(encoder.median)});")
    first = f"x[{at}] = (float)"
    if isinstance(encoder, NumberEncoder):
        code.use("standard")
        mean, std = _number(encoder.mean), _number(encoder.std)
        code.lines.append(f"{first}dr_standard(value, {mean}, {std});")
    elif isinstance(encoder, RobustEncoder | PiecewiseLinearEncoder):
        robust = encoder.robust if isinstance(encoder, PiecewiseLinearEncoder) else encoder
        code.use("robust")
        parameters = f"{_number(robust.median)}, {_number(robust.scale)}"
        code.lines.append(f"{first}dr_robust(value, {parameters});")
        if isinstance(encoder, PiecewiseLinearEncoder) and encoder.edges:
            edges = np.array(encoder.edges)
            real = shared_type(edges)
            code.use(f"bins:{real}")
            table = code.table("edges", edges, real)
            code.lines.append(f"dr_bins_{real}(value, {table}, {len(edges)}, x + {more});")
    elif isinstance(encoder, QuantileNormalEncoder | PeriodicEncoder):
        normal = encoder.normal if isinstance(encoder, PeriodicEncoder) else encoder
        knots = np.array(normal.knots)
        real = shared_type(knots)
        code.use(f"normal:{real}")
        table = code.table("knots", knots, real)
        scores = code.table("scores", np.array(normal.scores), "float")
        code.lines += [
            f"value = dr_normal_{real}(value, {table}, {scores}, {len(knots)});",
            f"{first}value;",
        ]
        if isinstance(encoder, PeriodicEncoder):
            code.use("waves")
            frequencies = code.table("frequencies", np.array(FREQUENCIES), "double")
            code.lines.append(f"dr_waves(value, {frequencies}, {len(FREQUENCIES)}, x + {more});")
    else:
        raise InputError(
            f"column {code.column.name!r} is encoded by a {type(encoder).__name__}, which is not "
            "exported to C; expected one of the encoders of deltarule.tables"
        )


def _write_category(encoder: CategoryEncoder, code: ColumnCode) -> None:
    code.levels, code.other = encoder.levels, encoder.other
    missing, other = encoder.codes(_probes(encoder.levels))[-2:].tolist()
    width = len(encoder.features())
    code.use("group", "one_hot")
    group = f"dr_group(row->{code.member}, {len(encoder.levels)}, {missing}, {other})"
    code.lines.append(f"dr_one_hot({group}, {width}, x + {code.at});")


def _write_statistics(encoder: TargetStatisticsEncoder, code: ColumnCode) -> None:
    code.levels = tuple(level for level in encoder.levels if level is not None)
    n, width = len(code.levels), len(encoder.features())
    means = np.zeros((n + 2, width))
    encoder.write(_probes(code.levels), means)
    code.use("group", "row_of")
    group = f"dr_group(row->{code.member}, {n}, {n}, {n + 1})"
    table = code.table("means", means, "float")
    code.lines.append(f"dr_row_of({table}, {group}, {width}, x + {code.at});")


def _probes(levels: tuple[str, ...]) -> TextColumn:
    """Return cells that hold every level, then a missing one, then a level that is none of them."""
    return TextColumn.from_cells([*levels, None, unseen_text(levels)])


def _number(value: float) -> str:
    return literals(np.array([value]), "double")[0]
