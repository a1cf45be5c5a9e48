"""Encoding of dates as elapsed time and the phase of the day, the week and the year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError, short_repr
from deltarule.files.dataclass_fields import check_keys, entry
from deltarule.tables.column_encoders import NumberColumnEncoder

__all__ = ["PERIODS", "CalendarEncoder"]

# The length in days of each period, and the number of its sines and cosines: three of each tell
# all days of a week apart.
PERIODS = {"day": (1.0, 2), "week": (7.0, 3), "year": (365.2425, 3)}


@dataclass(frozen=True)
class CalendarEncoder:
    """Encoder of a date: elapsed time, and sin(2π k t / p), cos(2π k t / p) for periods p.

    t is the number of days since 1970-01-01. The periods are the year if the training dates span
    half of one, the week if they are on different weekdays, and the day if they are at different
    times of day. A missing date has 0 in all features of periods.

    Parameters
    ----------
    elapsed : encoder of a number column
        Of t.
    periods : tuple of {"day", "week", "year"}

    Examples
    --------
    >>> from deltarule.tables.column_encoders import NumberEncoder
    >>> days = np.arange(700.0)
    >>> encoder = CalendarEncoder.fit(NumberEncoder.fit("sold", days, None), days)
    >>> encoder.features()[:4]
    ['sold', 'sold=sin week', 'sold=cos week', 'sold=sin week/2']
    >>> out = np.zeros((2, 13))
    >>> encoder.write(np.array([3.0, 10.0]), out)
    >>> out[:, 1:3].round(3)
    array([[ 0.434, -0.901],
           [ 0.434, -0.901]])
    """

    elapsed: NumberColumnEncoder
    periods: tuple[str, ...]

    @classmethod
    def fit(cls, elapsed: NumberColumnEncoder, cells: NDArray[np.float64]) -> Self:
        """Choose the periods by the training cells."""
        known = cells[~np.isnan(cells)]
        periods = []
        if len(known):
            days = np.floor(known)
            if np.ptp(known - days) > 0:
                periods.append("day")
            if np.ptp(days % 7) > 0:
                periods.append("week")
            if np.ptp(known) >= PERIODS["year"][0] / 2:
                periods.append("year")
        return cls(elapsed, tuple(periods))

    @property
    def name(self) -> str:
        """The column."""
        return self.elapsed.name

    def features(self) -> list[str]:
        """The names of its features."""
        found = []
        for period in self.periods:
            for k in range(1, PERIODS[period][1] + 1):
                part = period if k == 1 else f"{period}/{k}"
                found += [f"{self.name}=sin {part}", f"{self.name}=cos {part}"]
        values = self.elapsed.features()
        return [*values[:1], *found, *values[1:]] if self.elapsed.varies else [*found, *values]

    def write(self, cells: NDArray[np.float64], out: NDArray[Any]) -> None:
        """Encode cells into the columns of ``out``."""
        missing = np.isnan(cells)
        t = np.where(missing, 0.0, cells)
        at = int(self.elapsed.varies)
        for period in self.periods:
            length, harmonics = PERIODS[period]
            phase = (np.floor(t) if period == "week" else t) % length / length
            for k in range(1, harmonics + 1):
                out[:, at] = np.where(missing, 0.0, np.sin(2 * np.pi * k * phase))
                out[:, at + 1] = np.where(missing, 0.0, np.cos(2 * np.pi * k * phase))
                at += 2
        elapsed = np.zeros((len(cells), len(self.elapsed.features())))
        self.elapsed.write(cells, elapsed)
        first = int(self.elapsed.varies)
        out[:, :first] = elapsed[:, :first]
        out[:, at:] = elapsed[:, first:]

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return {"periods": list(self.periods), "elapsed": self.elapsed.to_dict()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], elapsed: type[NumberColumnEncoder]) -> Self:
        """What :meth:`to_dict` wrote down, with the class of its encoder of elapsed time.

        Raises
        ------
        InputError
            If its values are none that training gives.
        """
        check_keys(record, {"periods", "elapsed"})
        periods = entry(record, "periods", tuple[str, ...])
        if periods != tuple(name for name in PERIODS if name in periods):
            raise InputError(f"periods is {short_repr(periods)}; expected some of {tuple(PERIODS)}")
        return cls(elapsed.from_dict(entry(record, "elapsed", Mapping[str, Any])), periods)
