"""What an exported file says of its model, and of how it was compared with it.

``export`` writes it into the file as JSON, and says it in the words of :func:`comparison_lines`;
``inspect`` reads it again and says the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, printable
from deltarule.tables import Table, TypedColumns, apply_schema, table_from_frame
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tabular import TableModel
from deltarule.tabular.division import division_of
from deltarule.tabular.splitting import table_parts
from deltarule.training.inspection import (
    distilled_text,
    member_text,
    training_table,
    training_table_text,
)

__all__ = [
    "Differences",
    "compared_with",
    "comparison_facts",
    "comparison_lines",
    "model_facts",
    "model_lines",
]

# What a made row is, and the parts of a training, in words.
_DRAWN = {
    "schema": "of the ranges and levels of training",
    "normal": "from a normal distribution",
}
_PARTS = {
    "train": "on which it was trained",
    "valid": "of its validation rows",
    "test": "of its test rows",
}
# What an export of an earlier version does not say.
_EARLIER = {"drawn": "schema", "quantity": "predictions", "unit": None, "tolerance": None}
_EARLIER_DATA = {"with_target": True, "parts": None, "row_numbers": ()}


class Differences(NamedTuple):
    """What a comparison found.

    Attributes
    ----------
    quantity : {"predictions", "probabilities", "outputs"}
        What was compared: numbers in the unit of the target, probabilities, or a network's outputs.
    precision : str
        The type of the networks' numbers in the exported file, such as ``"float32"``.
    largest : float or None
        The largest difference; None if the program was not run.
    tolerance : float or None
        How large the difference of that prediction might be, by rounding in ``precision``.
    share : float or None
        The largest difference as a share of its tolerance, of all predictions.
    labels : int or None
        In how many rows the label is another; None without labels.
    """

    quantity: str
    precision: str
    largest: float | None
    tolerance: float | None
    share: float | None
    labels: int | None


def model_facts(model: Any, fingerprint: str) -> dict[str, Any]:
    """Return what an exported file says of the model that it was made from, as JSON holds it.

    Examples
    --------
    >>> from deltarule import Model, Network
    >>> net = Network([1, 1])
    >>> model_facts(Model(net, net.initial(0)), "ab12")
    {'fingerprint': 'ab12'}
    """
    facts: dict[str, Any] = {"fingerprint": fingerprint or None}
    if isinstance(model, TableModel):
        facts["trained_on"] = training_table(dataclasses.asdict(model.schema), model.report)
        for name in ("distilled", "member"):
            if name in model.report:
                facts[name] = model.report[name]
    return facts


def model_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return :func:`model_facts` in words.

    Examples
    --------
    >>> model_lines({"fingerprint": "ab12"})
    ['made of the model with the fingerprint: sha256 ab12']
    """
    fingerprint = facts.get("fingerprint")
    known = f"sha256 {fingerprint}" if fingerprint else "not known, since it was not saved before"
    lines = [f"made of the model with the fingerprint: {known}"]
    if "trained_on" in facts:
        lines.append(f"trained on: {training_table_text(facts['trained_on'])}")
    if "distilled" in facts:
        lines.append(f"distilled: {distilled_text(facts['distilled'])}")
    if "member" in facts:
        lines.append(f"exported: {member_text(facts['member'])}")
    return list(map(printable, lines))


def comparison_facts(
    model: Any,
    data: Any,
    found: Differences,
    *,
    compared: int,
    given: NDArray[np.intp],
    drawn: str = "schema",
    left_out: int = 0,
) -> dict[str, Any]:
    """Return what an exported file says of its comparison with the model, as JSON holds it.

    Parameters
    ----------
    model : object
    data : object
        What was given to compare with; None if all rows are made.
    found : Differences
    compared : int
        How many rows were compared.
    given : array of int
        Which rows of ``data``, from 0, are among them as they are.
    drawn : {"schema", "normal"}
        Of what rows are made, if none are given.
    left_out : int
        How many more rows were left out, since numbers in the network are beyond float32.

    Examples
    --------
    >>> same = Differences("outputs", "float64", 0.0, None, 0.0, None)
    >>> facts = comparison_facts(None, None, same, compared=300, given=np.arange(0))
    >>> facts["given_rows"], facts["made_rows"]
    (0, 300)
    """
    own = data is not None
    kept = given if own else given[:0]
    target = model.schema.target if isinstance(model, TableModel) else None
    return {
        "rows": compared,
        "given_rows": len(kept),
        "made_rows": compared - len(kept),
        "left_out_rows": left_out,
        "data_given": own,
        "data": _data_facts(model, data, kept) if own else None,
        "drawn": drawn,
        "quantity": found.quantity,
        "unit": target.name if target is not None and found.quantity == "predictions" else None,
        "precision": found.precision,
        "largest_difference": found.largest,
        "tolerance": found.tolerance,
        "share_of_tolerance": found.share,
        "differing_labels": found.labels,
    }


def _data_facts(model: Any, data: Any, given: NDArray[np.intp]) -> dict[str, Any]:
    """Return what identifies a table, which of its rows were compared, and what they are.

    ``sha256`` is the checksum of the cells, with the target where the table has it; ``parts`` says,
    of the table of the training, how many of the compared rows are of which part.
    """
    found: dict[str, Any] = {"source": getattr(data, "source", ""), "rows": 0, "sha256": None}
    found |= {"with_target": False, "parts": None, "row_numbers": (given + 1).tolist()}
    typed: TypedColumns | None = None
    if isinstance(data, TypedColumns):
        typed = data
    elif isinstance(model, TableModel):
        schema = model.schema
        table = data if isinstance(data, Table) else table_from_frame(data, na=schema.na)
        own = schema.target is not None and schema.target.name in table
        with contextlib.suppress(DataError):  # an unknown class, which no export looks at
            typed = apply_schema(schema, table, need_target=own)
        data = table
    if typed is not None:
        found |= {"sha256": cells_checksum(typed), "with_target": typed.target is not None}
        if isinstance(model, TableModel) and model.trained_on(typed):
            found["parts"] = _parts(model, typed, given)
    rows = data.shape[0] if hasattr(data, "shape") else len(data)
    return {**found, "rows": int(rows)}


def _parts(
    model: TableModel, typed: TypedColumns, given: NDArray[np.intp]
) -> dict[str, int] | None:
    """Return how many of some rows of the training's table are of each of its parts.

    None if the model does not say how its rows were divided.
    """
    division = division_of(model.settings, model.report)
    if division is None:
        return None
    parts = table_parts(model.schema, typed, division[0])
    counts = {name: int(np.isin(given, typed.rows[rows]).sum()) for name, rows in parts.items()}
    return {name: counts[name] for name in _PARTS if name in counts}


def compared_with(facts: Mapping[str, Any]) -> str:
    """Return in words what an exported file was compared with: what :func:`model_facts` is of.

    Examples
    --------
    >>> compared_with({}), compared_with({"distilled": {}})
    ('the model', 'the distilled network (not with the portfolio that it follows)')
    """
    if "member" in facts:
        return "that one network (not with its portfolio)"
    if "distilled" in facts:
        return "the distilled network (not with the portfolio that it follows)"
    return "the model"


def comparison_lines(facts: Mapping[str, Any], model: str = "the model") -> list[str]:
    r"""Return :func:`comparison_facts` in words: what was found, and on which rows.

    ``model`` says with what it was compared, as :func:`compared_with` does.

    Examples
    --------
    >>> found = Differences("probabilities", "float32", 3e-7, 4.1e-5, 0.008, 0)
    >>> rows = np.ones((800, 1))
    >>> facts = comparison_facts(None, rows, found, compared=59, given=np.arange(0, 800, 16))
    >>> for line in comparison_lines(facts):
    ...     print(line.replace(": ", ":\n  ").replace(", ", ",\n  ").replace("; ", ";\n  "))
    compared with the model on 59 rows:
      probabilities differ by at most 3e-05 percentage points,
      which is 0.73 % of the 0.0041 tolerated there as rounding of float32;
      each row has a tolerance of its own,
      and the largest share of one,
      of another row,
      is 0.8 %;
      0 of 59 labels differ
    the rows:
      50 of the 800 rows that were given,
      evenly spaced from row 1 to row 785,
      and 9 with missing,
      unknown or extreme cells
    """
    facts = {**_EARLIER, **facts}
    rows = facts["rows"]
    if facts["largest_difference"] is None:
        said = (
            f"not compared with {printable(model)}, for want of a compiler; there are {rows:,} rows"
        )
        return [said, f"the rows: {printable(_rows_words(facts))}"]
    said = _difference_words(facts)
    if facts["differing_labels"] is not None:
        said += f"; {facts['differing_labels']:,} of {rows:,} labels differ"
        if facts["differing_labels"]:
            said += ", where rounding decides between two classes"
    lines = [f"compared with {printable(model)} on {rows:,} rows: {printable(said)}"]
    # An export of an earlier version has the number of rows only.
    return lines + ([f"the rows: {printable(_rows_words(facts))}"] if "made_rows" in facts else [])


def _difference_words(facts: Mapping[str, Any]) -> str:
    """Return the largest difference in its unit, and what it is of the tolerance."""
    largest, share, quantity = (
        facts[name] for name in ("largest_difference", "share_of_tolerance", "quantity")
    )
    if largest == 0:
        return f"the same {quantity}, to the last bit"
    factor, unit = (100, " percentage points") if quantity == "probabilities" else (1, "")
    unit = f", in the unit of {facts['unit']!r}" if facts["unit"] else unit
    said = f"{quantity} differ by at most {factor * largest:.2g}{unit}"
    if facts["tolerance"] is None:
        return said
    # The row of the largest difference need not be that of the largest share.
    own = largest / facts["tolerance"] if facts["tolerance"] else 0.0
    said += (
        f", which is {100 * own:.2g} % of the {factor * facts['tolerance']:.2g} tolerated there as "
        f"rounding of {facts['precision']}"
    )
    if f"{share:.2g}" == f"{own:.2g}":
        return f"{said}, the largest share of all"
    return (
        f"{said}; each row has a tolerance of its own, and the largest share of one, of another "
        f"row, is {100 * share:.2g} %"
    )


def _rows_words(facts: Mapping[str, Any]) -> str:
    """Return which rows were compared: of which table, which of them, and how many were made."""
    if not facts["data_given"]:
        return f"all made at random, {_DRAWN[facts['drawn']]}, since none were given"
    given, made, data = facts["given_rows"], facts["made_rows"], {**_EARLIER_DATA, **facts["data"]}
    of, source, digest, parts = (data[name] for name in ("rows", "source", "sha256", "parts"))
    name = f"of {source}" if source else "that were given"
    if digest:
        without = "" if data["with_target"] else " without the target"
        name += f" (sha256 of its cells{without} {digest[:16]}…)"
    said = f"all {of:,} rows {name}"
    if given < of:
        said = f"{given:,} of the {of:,} rows {name}, evenly spaced"
        if numbers := data["row_numbers"]:
            said += f" from row {numbers[0]:,} to row {numbers[-1]:,}"
    if parts is not None:
        *most, last_part = (f"{count:,} {_PARTS[part]}" for part, count in parts.items())
        of_parts = f"{', '.join(most)} and {last_part}" if most else last_part
        said += f", which is the table of the training: {of_parts}"
    return f"{said}, and {made:,} with missing, unknown or extreme cells" if made else said
