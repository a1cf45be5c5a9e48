"""Printing formulas as JavaScript.

The calling convention: a function takes the formula's arguments in order and returns
its result; a loss returns the pair [term, derivative]. A formula that combines outputs
takes arrays with one item for each output and returns new arrays.

``Math.min`` and ``Math.max`` return NaN for NaN, as NumPy's do. Zeros may differ in sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from deltarule.maths.printing.code import CodePrinter, Scope
from deltarule.maths.printing.formulas import SymbolicFormula

__all__ = ["print_javascript"]

_CALLS = {"minimum": "min", "maximum": "max"}
_OWN = ("exp", "expm1", "log", "log1p", "tanh", "sqrt", "abs", "sign")

_WORDS = """
    arguments await break case catch class const continue debugger default delete do else enum
    eval export extends false finally for function if implements import in instanceof interface
    let Math new null package private protected public return static super switch this throw
    true try typeof var void while with yield
"""

# Math.round rounds halves up; NumPy and C round them to the nearest even number.
_RINT = """\
function dr_rint(x) {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
"""


def print_javascript(formulas: Mapping[str, SymbolicFormula]) -> str:
    """The source of JavaScript functions, after the helper functions that they call.

    Parameters
    ----------
    formulas : mapping of str to SymbolicFormula
        The formulas, by the name of the function to print.

    Returns
    -------
    str
        Function declarations, for a script or a module.

    Raises
    ------
    InputError
        If a name is not valid for a JavaScript function.

    Examples
    --------
    >>> from deltarule.maths.printing import symbolic_loss
    >>> print(print_javascript({"huber": symbolic_loss("huber").from_output}))
    // huber(kappa=1.0): term and derivative by a
    function huber(a, y) {
      const t1 = a - y;
      const t2 = Math.abs(t1);
      const t3 = Math.min(t2, 1.0);
      return [t3 * (t2 - 0.5 * t3), Math.sign(t1) * t3];
    }
    """
    return _JavaScriptPrinter().program(formulas)


class _JavaScriptPrinter(CodePrinter):
    language = "JavaScript"
    equality: ClassVar = {"equal": "===", "not_equal": "!=="}
    loop = "for (let j = 0; j < n; ++j)"
    length = "n"
    reserved = frozenset(_WORDS.split())

    def number(self, value: float) -> str:
        text = repr(value)
        special = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
        return special.get(text, text)

    def callee(self, op: str) -> str:
        if op in _OWN or op in _CALLS:
            return f"Math.{_CALLS.get(op, op)}"
        return f"dr_{op}"

    def helper(self, op: str) -> str:
        return {"rint": _RINT}[op]

    def constant(self, name: str, text: str, condition: bool) -> str:
        return f"const {name} = {text};"

    def variable(self, name: str, text: str) -> str:
        return f"let {name} = {text};"

    def wrap(
        self,
        name: str,
        formula: SymbolicFormula,
        scope: Scope,
        results: Sequence[str],
        helper: bool,
    ) -> str:
        title = " ".join(formula.title.split())
        lines = [f"// {title}", f"function {name}({', '.join(formula.arguments)}) {{"]
        lines += [
            f"  const {table} = [{', '.join(map(self.number, values))}];"
            for values, table in scope.tables.items()
        ]
        outputs = list(results)
        if not formula.elementwise:
            outputs = list(formula.results) if len(results) > 1 else ["out"]
            lines.append(f"  const n = {formula.arguments[0]}.length;")
            lines += [f"  const {output} = new Array(n);" for output in outputs]
        lines += scope.lines
        if not formula.elementwise:
            lines += [f"    {o}[j] = {r};" for o, r in zip(outputs, results, strict=True)]
            lines.append("  }")
        returned = outputs[0] if len(outputs) == 1 else f"[{', '.join(outputs)}]"
        return "\n".join([*lines, f"  return {returned};", "}", ""])
