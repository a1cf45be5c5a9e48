"""Inputs that are the pixels of an image: which input each pixel is."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError, Message, Parameter
from deltarule.explain.subject import InputColumn, Subject

__all__ = ["image_of", "suggested_image"]

# Names by which the columns of a table are taken for pixels without being told so.
_PIXEL = re.compile(r"(?:pixel|px)[ _.]?\(?(\d+)(?:[ _,.x]+(\d+)\)?)?|(\d+)x(\d+)", re.IGNORECASE)
# Fewer columns that are a square are so by chance.
_LEAST_SIDE = 8
_NUMBER = re.compile(r"\d+")


def image_of(subject: Subject, shape: Any = None) -> dict[str, Any] | None:
    """Which input is each pixel of an image, for the page; None if the inputs are no image.

    Parameters
    ----------
    subject : Subject
    shape : (int, int), optional
        The rows and columns of pixels. Without it, inputs or columns with names like "pixel_3_4",
        "pixel12" or "1x28" that fill a rectangle are taken for an image.

    Returns
    -------
    dict or None
        ``shape``; ``inputs``, the number of the input of each pixel, row by row from the top left,
        −1 for one that no input was made of; and ``columns``, the same for the columns of the
        table, or None without a table.

    Raises
    ------
    InputError
        If ``shape`` is not two positive whole numbers, or has another number of pixels than there
        are inputs, or columns.

    Notes
    -----
    Columns that did not vary in training, as those at the edge of an image, count as pixels: the
    places of columns follow from the numbers in their names, if all have numbers, else from their
    order.

    Examples
    --------
    >>> from deltarule.maths import Network
    >>> subject = Subject.of_arrays(Network([4, 1]), [0.0] * 5, [[1.0, 2.0, 3.0, 4.0]], [[0.0]])
    >>> image_of(subject, (2, 2))
    {'shape': [2, 2], 'inputs': [0, 1, 2, 3], 'columns': None}
    >>> image_of(subject) is None
    True
    """
    columns = subject.columns
    names = [column.name for column in columns] if columns else list(subject.names.inputs)
    every = [*names, *subject.left_out] if columns else names
    if shape is None:
        guessed = _guessed(every)
        if guessed is None:
            return None
        rows, wide = guessed
        names = every
    else:
        rows, wide = _checked(shape)
        if rows * wide != len(names):
            names = every
        if rows * wide != len(names):
            raise _other_size(rows, wide, subject, len(every))
    order = _order(names, columns=bool(columns))
    if not columns:
        return {"shape": [rows, wide], "inputs": order, "columns": None}
    kept = [at if at < len(columns) else -1 for at in order]
    inputs = [-1 if at < 0 else _input_of(columns[at]) for at in kept]
    return {"shape": [rows, wide], "inputs": inputs, "columns": kept}


def suggested_image(subject: Subject) -> int | None:
    """The side of the square image that columns without names of pixels may be of; None if not.

    They are taken for pixels if their number is a square of 8 or more, and their cells are numbers
    from 0 to a largest one, which a third of the columns reach.

    Examples
    --------
    >>> from deltarule.maths import Network
    >>> X = np.arange(192.0).reshape(3, 64) % 17
    >>> net = Network([64, 1])
    >>> suggested_image(Subject.of_arrays(net, [0.0] * 65, X, [[0.0]] * 3)) is None
    True
    >>> X = np.full((3, 64), 16.0)
    >>> suggested_image(Subject.of_arrays(net, [0.0] * 65, X, [[0.0]] * 3))
    8
    """
    columns = subject.columns
    count = len(columns) + len(subject.left_out) if columns else len(subject.names.inputs)
    side = math.isqrt(count)
    if side < _LEAST_SIDE or side * side != count or image_of(subject) is not None:
        return None
    cells = [column.cells for column in columns] if columns else subject.X.T.tolist()
    if not all(isinstance(cell, (int, float)) for column in cells for cell in column):
        return None
    numbers = np.asarray(cells, np.float64)
    most = numbers.max(axis=1)
    if not numbers.min() >= 0 or 3 * np.sum(most == most.max()) < count:
        return None
    return side


def _input_of(column: InputColumn) -> int:
    return column.inputs[0] if column.inputs else -1


def _checked(shape: Any) -> tuple[int, int]:
    """The rows and columns of pixels, if they are whole numbers above 0."""
    try:
        rows, wide = (int(size) for size in shape)
        whole = [rows, wide] == list(shape) and rows > 0 and wide > 0
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise InputError(
            parameter="image",
            given=shape,
            expected="two whole numbers above 0, the rows and the columns of pixels",
        )
    return rows, wide


def _other_size(rows: int, wide: int, subject: Subject, n: int) -> InputError:
    """The error of an image with another number of pixels than there are inputs."""
    what = f"{n:,} inputs"
    if subject.columns:
        left_out = len(subject.left_out)
        among = f", {left_out} of them left out because they do not vary" if left_out else ""
        what = f"{n:,} columns{among}"
    sizes = [f"{r} x {n // r}" for r in range(2, int(n**0.5) + 1) if n % r == 0]
    return InputError(
        Message(Parameter("image"), f" is {rows} x {wide}, which are {rows * wide:,} pixels"),
        parameter="image",
        given=(rows, wide),
        expected=f"as many pixels as there are inputs; there are {what}",
        hint=f"with so many, an image is {' or '.join(sizes[:-4:-1])}" if sizes else None,
    )


def _guessed(names: Sequence[str]) -> tuple[int, int] | None:
    """The shape of an image by the names of its pixels; None if they do not fill a rectangle."""
    found = [_PIXEL.fullmatch(name) for name in names]
    if len(names) < 9 or not all(found):
        return None
    places = [[int(text) for text in match.groups() if text] for match in found if match]
    if {len(place) for place in places} == {2}:
        first = [min(place[axis] for place in places) for axis in (0, 1)]
        rows, wide = (max(p[axis] for p in places) - first[axis] + 1 for axis in (0, 1))
        return (rows, wide) if len({tuple(p) for p in places}) == rows * wide else None
    side = round(len(names) ** 0.5)
    return (side, side) if side * side == len(names) else None


def _order(names: Sequence[str], *, columns: bool) -> list[int]:
    """The number of the name of each pixel: by the numbers in names of columns, else as given."""
    numbers = [[int(text) for text in _NUMBER.findall(name)] for name in names]
    patterns = {_NUMBER.sub("#", name) for name in names}
    told_apart = len({tuple(each) for each in numbers}) == len(names)
    if not columns or len(patterns) > 1 or not told_apart:
        return list(range(len(names)))
    return sorted(range(len(names)), key=lambda at: numbers[at])
