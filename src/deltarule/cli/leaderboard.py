"""The configurations of a portfolio as text, and why some have no part in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltarule.cli import output
from deltarule.tabular.plots import loss_name

__all__ = ["leaderboard", "left_out_lines"]


def leaderboard(report: Mapping[str, Any]) -> str:
    """Return the configurations with losses, weights and networks as text, the best first."""
    members, loss = report["leaderboard"], loss_name(report)
    of = "out-of-fold" if "out_of_fold" in report["scores"] else "validation"
    return output.aligned(
        [
            ["configuration", *(each["configuration"] for each in members)],
            [f"{of} {loss}", *(f"{each['out_of_fold_loss']:.4g}" for each in members)],
            ["weight", *(f"{each['weight']:.2f}" for each in members)],
            ["networks", *(f"{each['networks']}" for each in members)],
            ["seconds", *(f"{each['seconds']:.1f}" for each in members)],
        ]
    )


def left_out_lines(report: Mapping[str, Any]) -> list[str]:
    """Return why a configuration has no weight though its loss is among the best.

    Examples
    --------
    >>> board = [{"configuration": "a", "networks": 8, "weight": 1.0},
    ...          {"configuration": "b", "networks": 3, "weight": 0.0},
    ...          {"configuration": "c", "networks": 8, "weight": 0.0}]
    >>> for line in left_out_lines({"leaderboard": board}):
    ...     print(line)
    b: trained on the first folds only, which its loss is of, and then left out.
    Others of weight 0.00 did not lower the loss of the weighted mean.
    """
    board = report["leaderboard"]
    most = max((each["networks"] for each in board), default=0)
    early = [each for each in board if each["networks"] < most and not each["weight"]]
    lines = []
    if early:
        names = ", ".join(each["configuration"] for each in early)
        its = "its loss is" if len(early) == 1 else "their losses are"
        lines.append(
            f"{names}: trained on the first folds only, which {its} of, and then left out."
        )
    if any(each not in early and not each["weight"] for each in board):
        others = "Others" if early else "Those"
        lines.append(f"{others} of weight 0.00 did not lower the loss of the weighted mean.")
    return lines
