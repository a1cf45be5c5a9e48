"""A choice makes the browser lay out the page once, not once for each part of it that changes."""

import pytest
from tests.explain.pages import set_state

# Many choices in one task, in which the browser has no reason of its own to lay out the page.
CHOICES = """
(all) => {
  for (const change of all) DR.page.set(change);
}
"""


@pytest.mark.parametrize("name", ["softmax", "planar", "line", "deep"])
def test_the_page_is_not_laid_out_while_it_is_changed(show, name):
    tab = show(name)
    page, net = tab.page, tab.subject.net
    k, j = net.widths[0] - 1, net.widths[1] - 1  # which a large network draws when they are chosen
    edges = [{"kind": "edge", "layer": 1, "j": j - i, "k": k} for i in range(3)]
    nodes = [{"kind": "node", "layer": layer, "j": 0} for layer in range(net.n_layers + 1)]
    chosen = [*edges, *nodes]
    changes = [
        {"selected": what, "sample": i % 2, "colour": ("weight", "gradient")[i % 2]}
        for i, what in enumerate(3 * chosen)
    ]
    set_state(page, selected=edges[0])  # what is measured once for a drawing
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def layouts():
        found = session.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in found if each["name"] == "LayoutCount")

    before = layouts()
    page.evaluate(CHOICES, changes)
    # Those of the frames that follow.
    assert layouts() - before < len(changes) / 2
    session.detach()
