"""The parameters that a kernel reads at run time, so that all values of a parameter share a kernel.

A formula is recorded twice: with its parameters, and with each parameter changed a little. If both
recordings have the same operations, the constants that differ depend on parameters (directly, or
through ``math.log`` for instance). These become entries of an array, and the kernel's text is the
same for every value. Constants that are equal in both (the 2 of ``2 * z``) stay in the text. So
does a parameter whose change changes the operations (a count, an exponent); each of its values has
a kernel of its own.

Neither recording merges equal values, so that a parameter α = 2 is not confused with that constant.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from deltarule.errors import InputError
from deltarule.maths.namespace import ELEMENTWISE
from deltarule.maths.shared_functions import SHARED_FUNCTIONS
from deltarule.maths.symbolic import Expr, SymbolicNamespace
from deltarule.records import Record

__all__ = ["Formula", "Program", "Tape", "record_formula", "record_program"]

_R = TypeVar("_R")

# Relative change of a parameter in the second recording, times a factor that differs for each.
_CHANGE = 2.0**-10


# -- the second recording -----------------------------------------------------------------------


def _perturb(value: Any, change: float) -> Any:
    """A number, or each entry of a tuple, times 1 + ``change``; other values unchanged."""
    if isinstance(value, tuple):
        return tuple(_perturb(each, change * (1 + i / 64)) for i, each in enumerate(value))
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return value
    number = float(value)
    if number == 0.0:
        return change
    return number * (1 + change) if math.isfinite(number) else math.copysign(1e300, number)


def _perturbations(records: Sequence[Record | None]) -> Iterator[tuple[int, str, tuple[Any, Any]]]:
    """For each parameter: the index of its record, its name, and two changed values to try."""
    count = 0
    for index, record in enumerate(records):
        for name, value in () if record is None else record.parameters:
            count += 1
            change = _CHANGE * (1 + count / 8)
            # The smaller value first: most ranges have no lower end, or 0, which is increased.
            tries = _perturb(value, -change), _perturb(value, change)
            if tries != (value, value):
                yield index, name, tries


def _with_parameters(records: Sequence[Any], changes: Iterable[tuple[int, str, Any]]) -> list[Any]:
    found = list(records)
    for index, record in enumerate(records):
        own = {name: value for record_index, name, value in changes if record_index == index}
        if own:
            found[index] = dataclasses.replace(record, parameters=record.settings | own)
    return found


def _second_recording(
    records: Sequence[Record | None],
    first: _R,
    run: Callable[[Sequence[Any]], _R],
    shape: Callable[[_R], Hashable],
) -> _R:
    """Record with every parameter changed whose change leaves the operations the same."""
    changes, wanted = list(_perturbations(records)), shape(first)

    def attempt(some: Iterable[tuple[int, str, Any]]) -> _R | None:
        try:
            found = run(_with_parameters(records, some))
            return found if shape(found) == wanted else None
        except Exception:  # noqa: BLE001  a formula may raise anything for an invalid value
            return None

    found = attempt([(index, name, tries[0]) for index, name, tries in changes])
    if found is not None:
        return found
    accepted: list[tuple[int, str, Any]] = []
    last = first
    for index, name, tries in changes:  # one by one, since some cannot be changed
        for value in tries:
            found = attempt([*accepted, (index, name, value)])
            if found is not None:
                accepted, last = [*accepted, (index, name, value)], found
                break
    return last


class _ParameterTable:
    """The array of parameters: each pair of values in the two recordings has one entry."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._found: dict[Any, int] = {}

    def place(self, one: tuple[float, ...], other: tuple[float, ...]) -> int | None:
        """The index of ``one[0]`` in the array; None if both recordings have equal numbers.

        A NaN gets no entry: kernels rely on parameters that are not NaN.
        """
        key = (tuple(map(repr, one)), tuple(map(repr, other)))
        if key[0] == key[1] or any(map(math.isnan, one)):
            return None
        if key not in self._found:
            self._found[key] = len(self.values)
            self.values += one
        return self._found[key]


# -- recorded expressions: activations and losses -------------------------------------------------


class _Unmerged(SymbolicNamespace):
    """A recording that creates a new expression for every operation, even a repeated one."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Expr] = []

    def _make(
        self, op: str, args: tuple[Expr, ...], data: Any = None, *, varies: bool = False
    ) -> Expr:
        node = Expr(self, op, args, data, varies)
        self.nodes.append(node)
        return node

    def __len__(self) -> int:
        return len(self.nodes)


def _numbers(node: Expr) -> tuple[float, ...]:
    if node.op == "constant":
        return (float(node.data),)
    return tuple(node.data[1]) if node.op == "per_output" else ()


def _shape(nodes: Sequence[Expr], roots: Sequence[Expr]) -> Hashable:
    def of(node: Expr) -> Hashable:
        count = len(_numbers(node))
        data = None if count else node.data
        return node.op, tuple(each.index for each in node.args), data, count, node.varies

    return tuple(map(of, nodes)), tuple(root.index for root in roots)


class Formula(NamedTuple):
    """A recorded formula whose parameters are entries of an array.

    Attributes
    ----------
    roots : tuple of Expr
        The results. An expression ``symbol`` is the parameter at the index in its data; one
        ``per_output`` with an integer in place of a name has its numbers from that index on.
    variables : dict of str to Expr
    values : tuple of float
        The parameters.
    key : hashable
        Equal for formulas that have the same kernel.
    """

    roots: tuple[Expr, ...]
    variables: dict[str, Expr]
    values: tuple[float, ...]
    key: Hashable


def record_formula(
    record: Callable[[SymbolicNamespace, Any], Sequence[Any]],
    *records: Record,
    as_data: bool = True,
) -> Formula:
    """Record a formula; its parameters become entries of an array unless ``as_data`` is false.

    Parameters
    ----------
    record : callable
        ``record(xp, records)`` creates the variables and returns the roots.
    *records : Record
        The registry entries that the formula is made from, such as a loss and an activation.
    """

    def run(given: Sequence[Any]) -> tuple[list[Expr], list[Expr]]:
        xp = _Unmerged()
        roots = [xp.number(root) for root in record(xp, given)]
        return xp.nodes, roots

    nodes, roots = first = run(records)
    others = nodes
    if as_data and any(each.parameters for each in records):
        others, _ = _second_recording(records, first, run, lambda found: _shape(*found))
    xp, places = SymbolicNamespace(), _ParameterTable()
    found: dict[int, Expr] = {}
    for node, other in zip(nodes, others, strict=True):
        args = tuple(found[each.index] for each in node.args)
        place = places.place(_numbers(node), _numbers(other))
        if place is None:
            made = xp._make(node.op, args, node.data, varies=node.varies)
        elif node.op == "constant":
            made = xp.symbol("parameter", 0.0, place)
        else:
            none = (0.0,) * len(node.data[1])
            made = xp._make("per_output", (), (place, none), varies=True)
        found[node.index] = made
    ends = tuple(found[root.index] for root in roots)
    order = sorted({each.index: each for each in found.values()}.items())
    key = (
        tuple((e.op, tuple(a.index for a in e.args), repr(e.data), e.varies) for _, e in order),
        tuple(end.index for end in ends),
    )
    variables = {e.data: e for _, e in order if e.op == "variable"}
    return Formula(ends, variables, tuple(places.values), key)


# -- programs: update rules and averages ----------------------------------------------------------


class Tape:
    """A namespace that records the operations of an update rule, to be repeated by another.

    Parameters
    ----------
    dtype : dtype
    number : callable
        ``number(tape, index)`` makes the object, with Python's operators, for the result of a line.
    """

    def __init__(self, dtype: Any, number: Callable[[Tape, int], Any]) -> None:
        self.dtype = np.dtype(dtype)
        self._number = number
        self.lines: list[tuple[str, tuple[Any, ...]]] = []
        self.constants: list[float] = []
        for name in (*ELEMENTWISE, *SHARED_FUNCTIONS):
            if name != "where":
                setattr(self, name, self._function(name))

    def _function(self, name: str) -> Callable[..., Any]:
        return lambda *operands: self.apply(name, *operands)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError(f"a formula tried xp.{name}, which the compiled engine does not offer")

    def given(self, name: str) -> Any:
        """Declare an input of the program, such as ``"theta"``."""
        return self._line(name, ())

    def apply(self, op: str, *operands: Any) -> Any:
        """Record an operation."""
        return self._line(op, tuple(map(self.operand, operands)))

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """Record a choice; a Python truth value becomes part of the operation."""
        known = isinstance(condition, bool | np.bool_)
        first = ("known", bool(condition)) if known else self.operand(condition)
        return self._line("where", (first, self.operand(a), self.operand(b)))

    def operand(self, value: Any) -> tuple[str, Any]:
        """Return ("line", index) for a result, ("number", index in ``constants``) for a number."""
        if getattr(value, "namespace", None) is self:
            return "line", value.ir
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"a formula calculates with {value!r}; expected numbers")
        self.constants.append(float(value))
        return "number", len(self.constants) - 1

    def _line(self, op: str, operands: tuple[Any, ...]) -> Any:
        self.lines.append((op, operands))
        return self._number(self, len(self.lines) - 1)


class Program(NamedTuple):
    """The operations of a tape, with parameters as entries of an array.

    Attributes
    ----------
    lines : tuple of (op, operands)
        An operand is a pair: ("line", its number), ("known", truth value), ("number", literal) or
        ("place", index of a parameter).
    results : dict of str to operand
    values : tuple of float
        The parameters.
    """

    lines: tuple[Any, ...]
    results: dict[str, Any]
    values: tuple[float, ...]

    @property
    def key(self) -> Hashable:
        """Equal for programs that have the same kernel."""
        return repr(self.lines), repr(self.results)

    def run(
        self, given: Mapping[str, Any], xp: Any, parameter: Callable[[int], Any]
    ) -> dict[str, Any]:
        """Repeat the operations with namespace ``xp``; returns the results by name."""
        found: list[Any] = []

        def value(operand: tuple[str, Any]) -> Any:
            kind, what = operand
            if kind == "line":
                return found[what]
            return parameter(what) if kind == "place" else what

        for op, operands in self.lines:
            if not operands:
                found.append(given[op])
            else:
                found.append(xp.apply(op, *map(value, operands)))
        return {name: value(operand) for name, operand in self.results.items()}


def record_program(
    run: Callable[[Tape, Sequence[Any]], Mapping[str, Any]],
    tape: Callable[[], Tape],
    *records: Record | None,
) -> Program:
    """Record the operations of some records, with their parameters as entries of an array.

    Parameters
    ----------
    run : callable
        ``run(tape, records)`` computes on the tape and returns the results by name.
    tape : callable
        Makes an empty tape.
    """

    def once(given: Sequence[Any]) -> tuple[Tape, dict[str, Any]]:
        made = tape()
        results = {key: made.operand(value) for key, value in run(made, given).items()}
        return made, results

    def shape(found: tuple[Tape, dict[str, Any]]) -> Hashable:
        made, results = found
        return tuple(made.lines), tuple(results.items()), len(made.constants)

    first, places = once(records), _ParameterTable()
    own, results = first
    other = own
    if any(each is not None and each.parameters for each in records):
        other, _ = _second_recording(records, first, once, shape)

    def placed(operand: tuple[str, Any]) -> tuple[str, Any]:
        kind, what = operand
        if kind != "number":
            return operand
        value = own.constants[what]
        place = places.place((value,), (other.constants[what],))
        return ("number", value) if place is None else ("place", place)

    lines = tuple((op, tuple(map(placed, operands))) for op, operands in own.lines)
    ends = {name: placed(operand) for name, operand in results.items()}
    return Program(lines, ends, tuple(places.values))
