"""The formulas of derived inputs as JavaScript, printed from the functions that compute them."""

from __future__ import annotations

from typing import Any

from deltarule.tables.derived_features import DERIVED

__all__ = ["derived_script"]


class _Text:
    """An expression as JavaScript; operators make the text of larger ones."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __mul__(self, other: Any) -> _Text:
        return _Text(f"{self.text} * {_text(other)}")

    def __rmul__(self, other: Any) -> _Text:
        return _Text(f"{_text(other)} * {self.text}")


class _Namespace:
    """The functions of derived inputs, of texts."""

    @staticmethod
    def sin(value: _Text) -> _Text:
        return _Text(f"Math.sin({value.text})")


def _text(value: Any) -> str:
    return value.text if isinstance(value, _Text) else repr(float(value))


def derived_script() -> str:
    """The script that defines ``DR.derived``: a function of two inputs for each derived one.

    Examples
    --------
    >>> [line.strip() for line in derived_script().splitlines() if "sine_1" in line]
    ['sine_1: (a, b) => Math.sin(3.141592653589793 * b),']
    """
    functions = [
        f"  {name}: (a, b) => {feature.formula(_Namespace, _Text('a'), _Text('b')).text},"
        for name, feature in DERIVED.items()
    ]
    return "\n".join(["DR.derived = {", *functions, "};", ""])
