"""What is printed of the comparison of a model with its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltarule.cli import output

__all__ = ["verdict_lines"]

_VERDICTS = {
    "better": "better than the {name}",
    "worse": "worse than the {name}",
    "no different": "no different from the {name}, as far as these rows tell",
}
_BASELINES = {"constant": "constant", "linear": "linear baseline"}


def verdict_lines(report: Mapping[str, Any], what: str) -> list[str]:
    """Return the comparisons with the baselines, and advice, as lines."""
    lines: list[str] = []
    for baseline, name in _BASELINES.items():
        found = report[f"against_{baseline}"]
        if found is None:
            continue
        if not lines:
            on = f"the {found['pairs']:,} test rows"
            if found["folds"]:
                on = f"{found['pairs']:,} rows in {found['folds']} folds that it had not seen"
            lines.append(f"By {found['measure']} on {on}, the {what} is")
        t = "" if found["t"] is None else f", t = {found['t']:.2f}"
        lines.append(
            f"  {_VERDICTS[found['verdict']].format(name=name)}: {abs(found['gain']):.4f} "
            f"{'less' if found['gain'] >= 0 else 'more'}, standard error "
            f"{found['standard_error']:.4f}{t} (limit ±{found['quantile']:.2f})"
        )
    return [*lines, *(f"Advice: {output.spelled(each)}" for each in report["advice"])]
