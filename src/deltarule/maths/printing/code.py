"""Printing formulas as functions of a programming language.

Operations are printed in the order of the source: nothing is reassociated, folded or contracted,
since the accuracy of the formulas depends on that order. An expression that is used twice becomes
a local constant.

A formula that combines outputs becomes one loop for each reduction, then a loop that writes the
results. An expression with a value for each output is recomputed in every loop that needs it, so
that no function allocates memory.
"""

from __future__ import annotations

import abc
import collections
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from deltarule.errors import InputError
from deltarule.maths.printing.formulas import SymbolicFormula, symbolic_shared_function
from deltarule.maths.shared_functions import SHARED_FUNCTIONS
from deltarule.maths.symbolic import ARITHMETIC, COMPARISONS, REDUCTIONS, Expr, reachable

__all__ = ["CodePrinter", "Scope"]

Text = tuple[str, int]
"""Printed code and its operator precedence, one of the following levels."""
CHOICE, COMPARISON, SUM, PRODUCT, UNARY, ATOM = range(6)


class Scope:
    """The body of a function that is being printed: its lines, locals and tables.

    Parameters
    ----------
    element : str
        The code for an argument's value at the current output: ``"{}"`` or ``"{}[j]"``.
    """

    def __init__(self, element: str) -> None:
        self.element = element
        self.lines: list[str] = []
        self.tables: dict[tuple[float, ...], str] = {}
        self._count = 0

    def new_local(self) -> str:
        """An unused name for a local."""
        self._count += 1
        return f"t{self._count}"

    def table(self, values: tuple[float, ...]) -> str:
        """The name of a table of constants."""
        return self.tables.setdefault(values, f"c{len(self.tables) + 1}")


class CodePrinter(abc.ABC):
    """Prints formulas in a language with infix operators.

    This class decides what is printed in which order; a subclass has the syntax of its
    language. Helper functions are named ``dr_…`` and printed once, before their first use.
    """

    language: ClassVar[str]
    equality: ClassVar[Mapping[str, str]]
    reserved: ClassVar[frozenset[str]]

    def __init__(self) -> None:
        self.helpers: dict[str, str] = {}

    def program(self, formulas: Mapping[str, SymbolicFormula]) -> str:
        """The formulas as functions of these names, after the helpers they need."""
        for name in formulas:
            self._check_name(name)
        functions = [self.function(name, formula) for name, formula in formulas.items()]
        return "\n".join([*self.helpers.values(), *functions])

    def _check_name(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) or name in self.reserved:
            raise InputError(
                f"{name!r} cannot name a {self.language} function; expected letters, digits "
                "and underscores, and no word of the language or its mathematics library"
            )
        if name.startswith("dr_"):
            raise InputError(f"{name!r} begins with dr_, as helper functions do; choose another")

    def function(self, name: str, formula: SymbolicFormula, *, helper: bool = False) -> str:
        """The source of one function, by the calling convention of the language."""
        scope = Scope("{}" if formula.elementwise else "{}[j]")
        roots = list(formula.results.values())
        if formula.elementwise:
            texts = self.block(roots, {}, scope, "  ")
        else:
            rows = self._row_values(formula, scope)
            scope.lines.append(f"  {self.loop} {{")
            texts = self.block(roots, rows, scope, "    ")
            if len(roots) > 1:
                # All results are computed before any is written: an output may be an input's array.
                texts = [
                    text if re.fullmatch(r"t\d+", text[0]) else self._local(text, scope, "    ")
                    for text in texts
                ]
        return self.wrap(name, formula, scope, [text for text, _ in texts], helper)

    def _row_values(self, formula: SymbolicFormula, scope: Scope) -> dict[int, Text]:
        """Print the expressions with one value for the row; return their texts by index."""
        exprs = formula.expressions()
        uses = collections.Counter(argument.index for expr in exprs for argument in expr.args)
        for expr in exprs:
            # A value of the row that is used in a loop is computed before it, as a local.
            uses.update({arg.index: 2 for arg in expr.args if expr.varies and not arg.varies})
        texts: dict[int, Text] = {}
        for expr in exprs:
            if expr.varies:
                continue
            if expr.op in REDUCTIONS:
                texts[expr.index] = self._reduction(expr, texts, scope)
            else:
                text = self.expression(expr, texts, scope)
                keep = expr.args and uses[expr.index] > 1
                texts[expr.index] = self._local(text, scope, "  ") if keep else text
        return texts

    def _reduction(self, expr: Expr, rows: dict[int, Text], scope: Scope) -> Text:
        name = scope.new_local()
        start = self.number(0) if expr.op == "total" else self.number(float("-inf"))
        scope.lines += [f"  {self.variable(name, start)}", f"  {self.loop} {{"]
        text, _ = self.block(expr.args, rows, scope, "    ")[0]
        if expr.op == "total":
            scope.lines.append(f"    {name} += {text};")
        else:
            scope.lines.append(f"    {name} = {self.call('maximum', [name, text])};")
        scope.lines.append("  }")
        return name, ATOM

    def block(
        self, roots: Sequence[Expr], known: Mapping[int, Text], scope: Scope, indent: str
    ) -> list[Text]:
        """Print the locals that ``roots`` need, and return the texts of ``roots``."""
        found = reachable(roots, stop=lambda expr: expr.index in known)
        exprs = [expr for expr in found if expr.index not in known]
        uses = collections.Counter(argument.index for expr in exprs for argument in expr.args)
        uses.update(root.index for root in roots)
        texts = dict(known)
        for expr in exprs:
            text = self.expression(expr, texts, scope)
            if expr.args and uses[expr.index] > 1:
                text = self._local(text, scope, indent, expr.is_condition)
            texts[expr.index] = text
        return [texts[root.index] for root in roots]

    def _local(self, text: Text, scope: Scope, indent: str, condition: bool = False) -> Text:
        name = scope.new_local()
        scope.lines.append(indent + self.constant(name, text[0], condition))
        return name, ATOM

    def expression(self, expr: Expr, texts: Mapping[int, Text], scope: Scope) -> Text:
        """The text of one expression, from the texts of its operands."""
        args = [texts[argument.index] for argument in expr.args]
        if expr.op == "variable":
            return (scope.element if expr.varies else "{}").format(expr.data), ATOM
        if expr.op in ("constant", "symbol"):
            return self._number_text(expr.data if expr.op == "constant" else expr.data[2])
        if expr.op in ARITHMETIC:
            level = SUM if expr.op in ("add", "subtract") else PRODUCT
            left, right = _parenthesised(args[0], level), _parenthesised(args[1], level + 1)
            return f"{left} {ARITHMETIC[expr.op]} {right}", level
        if expr.op in COMPARISONS:
            sign = self.equality.get(expr.op, COMPARISONS[expr.op])
            left, right = (_parenthesised(text, SUM) for text in args)
            return f"{left} {sign} {right}", COMPARISON
        if expr.op == "negative":
            inner = _parenthesised(args[0], UNARY)
            # Two minus signs in a row would be the decrement operator.
            return f"-({inner})" if inner.startswith("-") else f"-{inner}", UNARY
        if expr.op == "where":
            condition, a, b = (_parenthesised(text, COMPARISON) for text in args)
            return f"{condition} ? {a} : {b}", CHOICE
        if expr.op == "n_outputs":
            return self.length, ATOM
        if expr.op == "per_output":
            values = expr.data[1]
            if len(values) == 1:
                return self._number_text(values[0])
            return f"{scope.table(values)}[j % {len(values)}]", ATOM
        return self.call(expr.op, [text for text, _ in args]), ATOM

    def _number_text(self, value: float) -> Text:
        text = self.number(value)
        return text, UNARY if text.startswith("-") else ATOM

    def call(self, op: str, args: Sequence[str]) -> str:
        """The call of an operation; its helper function is added if it needs one."""
        name = self.callee(op)
        if name.startswith("dr_") and name not in self.helpers:
            if op in SHARED_FUNCTIONS:
                source = self.function(name, symbolic_shared_function(op), helper=True)
            else:
                source = self.helper(op)
            # Printing it has already added the helpers that it calls itself.
            self.helpers[name] = source
        return f"{name}({', '.join(args)})"

    loop: ClassVar[str]
    length: ClassVar[str]

    @abc.abstractmethod
    def number(self, value: float) -> str:
        """The literal of a number, which reads back exactly."""

    @abc.abstractmethod
    def callee(self, op: str) -> str:
        """The name of an operation's function; ``dr_…`` if it is a helper."""

    @abc.abstractmethod
    def helper(self, op: str) -> str:
        """The source of a helper that is not a shared function."""

    @abc.abstractmethod
    def constant(self, name: str, text: str, condition: bool) -> str:
        """The declaration of a constant local."""

    @abc.abstractmethod
    def variable(self, name: str, text: str) -> str:
        """The declaration of a local that a loop changes."""

    @abc.abstractmethod
    def wrap(
        self,
        name: str,
        formula: SymbolicFormula,
        scope: Scope,
        results: Sequence[str],
        helper: bool,
    ) -> str:
        """The source of the whole function, from its body and results."""


def _parenthesised(text: Text, level: int) -> str:
    """``text``, in parentheses if its precedence is lower than ``level``."""
    return text[0] if text[1] >= level else f"({text[0]})"
