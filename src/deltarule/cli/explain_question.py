"""What ``deltarule explain`` is asked, and what it found before anything is printed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.explain import Explanation
from deltarule.explain.page import PageState
from deltarule.explain.row_answer import RowAnswer
from deltarule.tabular import PortfolioModel, RecordedTable
from deltarule.training import Recording, ReplayedStep

__all__ = ["Explained", "Question"]


@dataclasses.dataclass(frozen=True)
class Question:
    """The options of ``deltarule explain``."""

    model: Path | None
    data: str | None
    table: str | None
    sql: str | None
    reading: Mapping[str, Any]
    member: str | None
    step: int | None
    row: int | None
    selected: Sequence[tuple[str, str]]
    shown: Mapping[str, int]
    latex: Path | None
    html: Path | None
    force: bool
    as_json: bool
    quiet: bool
    run_recorded_sql: bool = False
    image: tuple[int, ...] | None = None
    example: str | None = None
    rows: str | None = None


@dataclasses.dataclass(frozen=True)
class Explained:
    """An explanation, the index of the chosen row in it (None for the mean), and facts to print.

    There is no explanation where only the answer on a row is wanted, and no network has one: of a
    portfolio, or of a row without a target.
    """

    explanation: Explanation | None
    sample: int | None
    title: str
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    step: ReplayedStep | None = None
    recording: Recording | None = None
    recorded: RecordedTable | None = None
    answer: RowAnswer | None = None
    """What the model says about the row, where that is wanted and already known."""
    portfolio: PortfolioModel | None = None
    """The portfolio that the network is of, if it is of one."""
    page_title: str = ""
    """The title without the row, for a page where others can be chosen; "" if it names none."""
    part: str | None = None
    """The part of the training that the row was in; None if that is said elsewhere."""
    states: tuple[PageState, ...] = ()
    """Moments of training on the slider of the page, where no recording has them."""
    start: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What the page shows at first, if nothing is selected."""

    def of_sample(self, sample: int, *, row: int) -> Explained:
        """Return the same of one row: its index in the explanation, and its number from 1."""
        return dataclasses.replace(
            self,
            sample=sample,
            title=f"{self.title}; row {row}",
            facts=self.facts | {"row": row},
            start={**self.start, "sample": sample},
        )
