"""How the rows of a training table were divided, as a model says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltarule.errors import InputError
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tabular.settings import TableSettings

__all__ = ["DIVISION", "checked_division", "division_of", "recorded_division"]

DIVISION = "division"
"""The name in a model's report, of a model whose own settings do not say it."""
_SHARES = ("test", "valid", "seed")


def division_of(
    settings: Mapping[str, Any], report: Mapping[str, Any]
) -> tuple[TableSettings, Mapping[str, int]] | None:
    """Return the settings by which the rows of a training were divided, and the parts' sizes.

    A distilled network has in its report those of its portfolio; others have them in their
    settings. With the settings, :func:`~deltarule.tabular.splitting.table_parts` gives the rows.

    Parameters
    ----------
    settings, report : mapping
        Of the model.

    Returns
    -------
    tuple, or None
        None if the model does not say, as a network that was distilled by an earlier version.

    Examples
    --------
    >>> division_of({"epochs": 40}, {"rows": {"train": 80}}) is None
    True
    >>> known, sizes = division_of({"test": 0.2, "seed": 3}, {"rows": {"test": 20, "train": 80}})
    >>> known.test, known.valid, known.seed, sizes
    (0.2, 0.0, 3, {'test': 20, 'train': 80})
    """
    given = report.get(DIVISION)
    if given is not None:
        return _settings(given), given["rows"]
    if "test" not in settings or "seed" not in settings:
        return None
    return _settings(settings), report["rows"]


def _settings(given: Mapping[str, Any]) -> TableSettings:
    # Folds take the place of the validation rows of a portfolio, which has no share of them.
    return TableSettings(test=given["test"], valid=given.get("valid", 0.0), seed=given["seed"])


def recorded_division(settings: TableSettings, rows: Mapping[str, int]) -> dict[str, Any]:
    """Return a division as an entry of a report, which JSON can hold.

    Parameters
    ----------
    settings : TableSettings
        With which the rows were divided.
    rows : mapping of str to int
        The number of rows of each part.

    Examples
    --------
    >>> recorded_division(TableSettings(test=0.2, valid=0.0, seed=3), {"test": 2, "train": 8})
    {'test': 0.2, 'valid': 0.0, 'seed': 3, 'rows': {'test': 2, 'train': 8}}
    """
    return {
        "test": float(settings.test),
        "valid": float(settings.valid),
        "seed": settings.seed,
        "rows": dict(rows),
    }


def checked_division(saved: Mapping[str, Any]) -> None:
    """Refuse an entry of a report that :func:`recorded_division` did not write.

    Raises
    ------
    InputError
        If it is none, or its settings are out of range.

    Examples
    --------
    >>> checked_division({"test": 0.2, "valid": 0.0, "seed": 3, "rows": {"test": 2, "train": 8}})
    """
    check_keys(saved, {*_SHARES, "rows"})
    for name in ("test", "valid"):
        entry(saved, name, float)
    entry(saved, "seed", int)
    if any(n < 0 for n in entry(saved, "rows", Mapping[str, int]).values()):
        raise InputError("the parts of its training rows have a negative number of rows")
    _settings(saved)
