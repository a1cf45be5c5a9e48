"""All groups of the report: nothing is printed over anything else, and all bars have one scale."""

import dataclasses
import re

import numpy as np
import pytest
from tests.browser import Watched
from tests.explain.report.tables import trained

from deltarule.explain.report import write_report
from deltarule.explain.report.findings import find
from deltarule.explain.report.headline import next_steps
from deltarule.maths.printing.numbers import plain
from deltarule.tabular.diagnostics import group_errors

# The boxes of what is written in the table, and of its bars.
BOXES = """
() => {
  const table = document.querySelector("[data-groups=all] table");
  const boxes = [];
  for (const row of table.querySelectorAll("tbody tr"))
    for (const cell of row.cells) {
      const range = document.createRange();
      range.selectNodeContents(cell);
      const of = cell.className === "bar-cell" ? cell : range;
      let { left, right, top, bottom } = of.getBoundingClientRect();
      // A long name is cut off at the edge of its cell, and ends in "…".
      if (cell.tagName === "TH") right = Math.min(right, cell.getBoundingClientRect().right);
      boxes.push({ left, right, top, bottom, text: cell.textContent, kind: cell.className });
    }
  const { left, right } = document.querySelector("main").getBoundingClientRect();
  const fills = [...table.querySelectorAll(".fill")].map((e) => e.getBoundingClientRect().width);
  const clipped = [...table.querySelectorAll(".of-column th, td.n")]
    .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent);
  return { boxes, fills, left, right, clipped };
}
"""


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    table, model = trained("two")
    return write_report(model, table, tmp_path_factory.mktemp("groups") / "report.html")


@pytest.mark.parametrize("larger", [0, 2])
@pytest.mark.parametrize("width", [390, 1280, 1440, 1920])
def test_nothing_overlaps_and_bars_of_all_columns_have_one_scale(chromium, page_of, width, larger):
    watched = Watched(chromium[0], width=width, height=900)
    page = watched.page
    page.goto(page_of.as_uri())
    page.get_by_text("All groups, column by column").click()
    for _ in range(larger):
        page.locator("#larger").click()
    found = page.evaluate(BOXES)
    assert watched.errors == []
    watched.close()
    boxes = found["boxes"]
    for i, one in enumerate(boxes):
        assert found["left"] <= one["left"] <= one["right"] <= found["right"]
        for two in boxes[i + 1 :]:
            apart = (
                min(one["right"], two["right"]) <= max(one["left"], two["left"]) + 0.5
                or min(one["bottom"], two["bottom"]) <= max(one["top"], two["top"]) + 0.5
            )
            assert apart, (one, two)
    assert found["clipped"] == []
    table, model = trained("two")
    groups = group_errors(model.scored_rows(table)).groups
    assert len(found["fills"]) == len(groups) > 8
    widths, errors = np.sort(found["fills"]), np.sort([group.error for group in groups])
    widest = widths[-1] / errors[-1]
    assert widest * errors == pytest.approx(widths, abs=2.5)  # a bar of 0 is two pixels wide


def test_the_next_step_has_the_difference_with_its_interval_and_level():
    table, model = trained("number")
    rows = model.scored_rows(table)
    # As if predictions missed by far where one column is above 0.
    first = rows.schema.names[1]
    raised = 50.0 * (np.asarray(rows.typed.columns[first]) > 0)
    found = find(model, dataclasses.replace(rows, outputs=rows.truth + raised))
    group = found.groups.worse[0]
    (step,) = [each for each in next_steps(found) if each.startswith("Look at the rows with")]
    text = re.sub("<[^>]+>", "", step)
    gap, least, most = (plain(e) for e in (group.error - group.others, group.least, group.most))
    level = f"{100 * found.groups.level:.4g} %"
    assert text.endswith(f" (+{gap}, +{least} to +{most} at {level}).")
