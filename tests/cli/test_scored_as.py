"""Few numbers as a target: which way they were taken stands where the scores are."""

from pathlib import Path

import pytest
from tests.cli.conftest import FAST

ROWS = [(i % 7, i * 0.5) for i in range(60)]
TARGETS = {
    "stars": (
        [1 + i % 5 for i in range(60)],
        (
            "Scored as quantities: 'y' has 5 different whole numbers, 1 … 5; if they are classes, "
            "train with --task classification."
        ),
    ),
    "two": (
        [int(a > 3) for a, _ in ROWS],
        (
            "Scored as classes: 'y' has 2 different numbers, '0' and '1'; if they are quantities, "
            "train with --task regression."
        ),
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_line_stands_below_the_scores_and_in_the_report(name, deltarule, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells, line = TARGETS[name]
    lines = [f"{a},{b},{y}" for (a, b), y in zip(ROWS, cells, strict=True)]
    Path("t.csv").write_text("\n".join(["a,b,y", *lines]))
    command = ("fit", "t.csv", "--target", "y", "--out", "m", "--force", *FAST)
    fitted = deltarule(*command)
    assert fitted.status == 0, fitted.err
    said = fitted.out.splitlines()
    place = said.index(line)
    # Right below the last line of the table of scores, and above the verdict.
    assert said[place - 1].startswith(("test, linear baseline", "  95 % interval"))
    assert said[place + 1] == ""
    page = Path("m/report.html").read_text(encoding="utf-8")
    first = page[: page.index('id="h-why"')]
    assert line.replace("'", "&#x27;") in first
    scored = deltarule("evaluate", "m", "t.csv")
    assert line in scored.out.splitlines()
    other = {"stars": "classification", "two": "regression"}[name]
    # Asked for, there is no choice to tell of.
    asked = deltarule(*command, "--task", other)
    assert "Scored as" not in asked.out
    assert deltarule(*command, "--json").json["other_task"] == other
