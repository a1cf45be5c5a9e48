"""Which numbers of a formula are data: read by its kernel at run time, not written into its text.

A formula is recorded twice, with its parameters as they are and each a little off. Where both
recordings have the same operations, the constants that differ come from parameters, be it by
way of ``math.log``: they become places in an array, and the kernel's text is the same for every
value. Constants that are equal (the 2 of ``2 * z``) stay in the text. A parameter whose change
changes the operations (a count, an exponent, a case of its own) stays there, too; its values
have a kernel each.

Both recordings merge nothing by value, so that an α of 2 is not taken for that 2.
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

__all__ = ["Formula", "Places", "Tape", "recorded", "taped"]

_R = TypeVar("_R")

# How far off a parameter is in the second recording, relative, times a number of its own.
_OFF = 2.0**-10


# -- the second set of values -------------------------------------------------------------------


def _off(value: Any, share: float) -> Any:
    """A number, or a tuple of numbers, a little off; as it is where it is neither."""
    if isinstance(value, tuple):
        return tuple(_off(each, share * (1 + i / 64)) for i, each in enumerate(value))
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return value
    number = float(value)
    if number == 0.0:
        return share
    return number * (1 + share) if math.isfinite(number) else math.copysign(1e300, number)


def _changes(records: Sequence[Record | None]) -> Iterator[tuple[int, str, tuple[Any, Any]]]:
    """For each parameter of some records: whose it is, its name, and two values a little off."""
    count = 0
    for place, record in enumerate(records):
        for name, value in () if record is None else record.parameters:
            count += 1
            share = _OFF * (1 + count / 8)
            # Downwards first: most ranges are open there, or their ends are 0, which is moved up.
            tries = _off(value, -share), _off(value, share)
            if tries != (value, value):
                yield place, name, tries


def _changed(records: Sequence[Any], changes: Iterable[tuple[int, str, Any]]) -> list[Any]:
    found = list(records)
    for place, record in enumerate(records):
        own = {name: value for whose, name, value in changes if whose == place}
        if own:
            found[place] = dataclasses.replace(record, parameters=record.settings | own)
    return found


def _other(
    records: Sequence[Record | None],
    own: _R,
    run: Callable[[Sequence[Any]], _R],
    shape: Callable[[_R], Hashable],
) -> _R:
    """What ``run`` records with every parameter off that leaves the shape of ``own`` as it is."""
    changes, wanted = list(_changes(records)), shape(own)

    def kept(some: Iterable[tuple[int, str, Any]]) -> _R | None:
        try:
            found = run(_changed(records, some))
            return found if shape(found) == wanted else None
        except Exception:  # noqa: BLE001  a formula may refuse a value in any way
            return None

    whole = kept([(place, name, tries[0]) for place, name, tries in changes])
    if whole is not None:
        return whole
    taken: list[tuple[int, str, Any]] = []
    last = own
    for place, name, tries in changes:  # one by one: some are out of range, or make the shape
        for other in tries:
            found = kept([*taken, (place, name, other)])
            if found is not None:
                taken, last = [*taken, (place, name, other)], found
                break
    return last


class Places:
    """Where the numbers stand that are data: each pair of its values has a place of its own."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._found: dict[Any, int] = {}

    def place(self, one: tuple[float, ...], other: tuple[float, ...]) -> int | None:
        """The first place of such numbers, in a row; None if they are the same in both.

        NaN has no place: kernels count on numbers.
        """
        key = (tuple(map(repr, one)), tuple(map(repr, other)))
        if key[0] == key[1] or any(map(math.isnan, one)):
            return None
        if key not in self._found:
            self._found[key] = len(self.values)
            self.values += one
        return self._found[key]


# -- formulas that look at outputs: activations and losses ----------------------------------------


class _Unmerged(SymbolicNamespace):
    """A recording in which every operation is a node of its own."""

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
    """A recorded formula whose parameters are places in an array.

    Attributes
    ----------
    roots : tuple of Expr
        What is computed. A node ``symbol`` is a number at the place of its data; ``per_output``
        with a whole number in place of a name begins at that place.
    variables : dict of str to Expr
    values : tuple of float
        What stands at the places.
    key : hashable
        The same for formulas with the same kernel.
    """

    roots: tuple[Expr, ...]
    variables: dict[str, Expr]
    values: tuple[float, ...]
    key: Hashable


def recorded(
    record: Callable[[SymbolicNamespace, Any], Sequence[Any]],
    *records: Record,
    data: bool = True,
) -> Formula:
    """A formula of some records, with places for their parameters unless ``data`` is false.

    Parameters
    ----------
    record : callable
        ``record(xp, records)`` makes the variables and gives the roots.
    """

    def run(given: Sequence[Any]) -> tuple[list[Expr], list[Expr]]:
        xp = _Unmerged()
        roots = [xp.number(root) for root in record(xp, given)]
        return xp.nodes, roots

    nodes, roots = own = run(records)
    others = nodes
    if data and any(each.parameters for each in records):
        others, _ = _other(records, own, run, lambda found: _shape(*found))
    xp, places = SymbolicNamespace(), Places()
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


# -- formulas that move parameters: rules and averages --------------------------------------------


class Tape:
    """A namespace that writes down what a rule's formula does, to be done by another later.

    Parameters
    ----------
    dtype : dtype
    number : callable
        ``number(tape, index)`` makes what stands for a result: it has Python's operators.
    """

    def __init__(self, dtype: Any, number: Callable[[Tape, int], Any]) -> None:
        self.dtype = np.dtype(dtype)
        self._number = number
        self.lines: list[tuple[str, tuple[Any, ...]]] = []
        self.constants: list[float] = []
        for name in (*ELEMENTWISE, *SHARED_FUNCTIONS):
            if name != "where":
                setattr(self, name, self._word(name))

    def _word(self, name: str) -> Callable[..., Any]:
        return lambda *operands: self.apply(name, *operands)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError(f"a formula tried xp.{name}, which the compiled engine does not offer")

    def given(self, name: str) -> Any:
        """What is there before the formula is run."""
        return self._line(name, ())

    def apply(self, op: str, *operands: Any) -> Any:
        """Write down an operation."""
        return self._line(op, tuple(map(self.operand, operands)))

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """Write down a choice; a condition that is known is part of it."""
        known = isinstance(condition, bool | np.bool_)
        first = ("known", bool(condition)) if known else self.operand(condition)
        return self._line("where", (first, self.operand(a), self.operand(b)))

    def operand(self, value: Any) -> tuple[str, Any]:
        """A result by its line, or a number by its place among the constants."""
        if getattr(value, "tracer", None) is self:
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
    """What a tape says, with places for its parameters.

    Attributes
    ----------
    lines : tuple of (op, operands)
        An operand is a pair: ("line", its number), ("known", truth), ("number", literal) or
        ("place", where it stands).
    results : dict of str to operand
    values : tuple of float
    """

    lines: tuple[Any, ...]
    results: dict[str, Any]
    values: tuple[float, ...]

    @property
    def key(self) -> Hashable:
        """The same for programs with the same kernel."""
        return repr(self.lines), repr(self.results)

    def run(
        self,
        given: Mapping[str, Any],
        tracer: Any,
        parameter: Callable[[int], Any],
    ) -> dict[str, Any]:
        """Do what it says by another namespace."""
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
                found.append(tracer.apply(op, *map(value, operands)))
        return {name: value(operand) for name, operand in self.results.items()}


def taped(
    run: Callable[[Tape, Sequence[Any]], Mapping[str, Any]],
    tape: Callable[[], Tape],
    *records: Record | None,
) -> Program:
    """What a formula of some records does, with places for their parameters.

    Parameters
    ----------
    run : callable
        ``run(tape, records)`` runs it, and gives its results by name.
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

    first, places = once(records), Places()
    own, results = first
    other = own
    if any(each is not None and each.parameters for each in records):
        other, _ = _other(records, first, once, shape)

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
