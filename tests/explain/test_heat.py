import numpy as np
import pytest
from tests.explain.pages import set_state, until

# The colours of a canvas, one number for each pixel.
PIXELS = """
(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.height, canvas.width, Array.from(data)];
}
"""


# The maps as a page has them at first, when a later change of the store has been drawn.
AS_AT_FIRST = """
() => new Promise((done) => {
  const chosen = document.querySelector("#heat input[value=weights]");
  if (!chosen.checked) chosen.click();
  const order = document.querySelector("#heat-order");
  if (order.value !== "plain") {
    order.value = "plain";
    order.dispatchEvent(new Event("change"));
  }
  document.querySelector("#heat").scrollIntoView();
  setTimeout(done, 80);
})
"""


@pytest.fixture
def heat(shared):
    """A page that the tests share, scrolled to its heat maps as they are at first."""

    def heat(name):
        tab = shared(name)
        tab.page.locator("#heat").scroll_into_view_if_needed()
        tab.page.wait_for_selector("#heat canvas")
        tab.page.evaluate(AS_AT_FIRST)
        return tab

    return heat


def turn_to(page, kind):
    page.evaluate("(kind) => document.querySelector(`#heat input[value=${kind}]`).click()", kind)


def opened_alone(show, name):
    """A page of its own, for a test that changes more than is put back."""
    tab = show(name)
    tab.page.locator("#heat").scroll_into_view_if_needed()
    tab.page.wait_for_selector("#heat canvas")
    return tab


def matrices(subject, kind, sample):
    net, trace, each = subject.net, subject.trace, subject.per_sample
    layers = range(1, net.n_layers + 1)
    if kind == "weights":
        return [net.unpack(subject.theta)[0][layer] for layer in layers]
    if kind == "gradients":
        deltas = [each.delta[layer][sample] for layer in layers]
        return [np.outer(delta, a[sample]) for delta, a in zip(deltas, trace.A, strict=False)]
    return trace.A if kind == "activations" else each.delta[1:]


@pytest.mark.parametrize("kind", ["weights", "activations", "delta", "gradients"])
@pytest.mark.parametrize("name", ["softmax", "deep"])
def test_a_map_has_one_pixel_for_each_number_coloured_by_its_sign(heat, name, kind):
    tab = heat(name)
    turn_to(tab.page, kind)
    true = matrices(tab.subject, kind, 0)
    canvases = tab.page.eval_on_selector_all(
        "#heat .map:not(.strip) canvas", f"(all) => all.map({PIXELS})"
    )
    assert len(canvases) == len(true)
    for (height, width, data), matrix in zip(canvases, true, strict=True):
        assert (height, width) == matrix.shape
        pixels = np.array(data).reshape(height, width, 4)
        redder = pixels[..., 0].astype(int) - pixels[..., 2]
        plain = np.abs(matrix) > 0.05 * np.abs(matrix).max()
        assert (np.sign(redder[plain]) == np.sign(matrix[plain])).all()
        assert len({tuple(p) for p in pixels[matrix == 0]}) <= 1


def test_the_keyboard_reads_every_number_and_selects(heat):
    tab = heat("softmax")
    canvas = tab.page.locator("#heat .map:not(.strip) canvas").nth(1)
    canvas.focus()
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Shift+Tab")
    for key in ("Home", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        tab.page.keyboard.press(key)
    W = tab.subject.net.unpack(tab.subject.theta)[0]
    out = tab.page.locator("#heat .map:not(.strip)").nth(1).locator("output [data-symbol]")
    assert out.get_attribute("data-symbol") == "w^2_{1,3}"
    assert float(out.get_attribute("data-value")) == W[2][1, 3]
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("DR.page.state.selected") == {
        "kind": "edge",
        "layer": 2,
        "j": 1,
        "k": 3,
    }


def test_the_pointer_reads_and_selects(heat):
    tab = heat("deep")
    canvas = tab.page.locator("#heat .map:not(.strip) canvas").nth(0)
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] * 10.5 / 64, box["y"] + box["height"] * 77.5 / 128
    tab.page.mouse.move(x, y)
    out = tab.page.locator("#heat .map output [data-symbol]")
    assert out.get_attribute("data-symbol") == "w^1_{77,10}"
    tab.page.mouse.click(x, y)
    assert tab.page.evaluate("DR.page.state.selected") == {
        "kind": "edge",
        "layer": 1,
        "j": 77,
        "k": 10,
    }
    assert tab.page.locator('[data-edge="1,77,10"]').get_attribute("aria-pressed") == "true"


def test_a_cell_of_another_sample_goes_to_that_sample(heat):
    tab = heat("softmax")
    turn_to(tab.page, "activations")
    canvas = tab.page.locator("#heat .map:not(.strip) canvas").nth(2)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    tab.page.mouse.click(box["x"] + box["width"] * 1.5 / 3, box["y"] + box["height"] * 4.5 / 6)
    state = tab.page.evaluate("DR.page.state")
    assert state["sample"] == 4
    assert state["selected"] == {"kind": "node", "layer": 2, "j": 1}


def test_zoom_shows_what_goes_in_and_out_of_a_node(heat):
    tab = heat("deep")
    tab.page.get_by_label("Layer of the node to zoom to").select_option("2")
    tab.page.get_by_label("Number of the node to zoom to").fill("31")
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("DR.page.state.selected") == {"kind": "node", "layer": 2, "j": 31}
    # Until they are drawn, the strips of the previous node are shown.
    label = "document.querySelectorAll('#heat .strip canvas')[1]?.ariaLabel"
    until(tab.page, label, lambda text: text and "column 31 of" in text)
    sizes = tab.page.eval_on_selector_all("#heat .strip canvas", "(all) => all.map((c) => c.width)")
    assert sizes == [128, 10]
    strips = tab.page.locator("#heat .strip canvas")
    strips.nth(1).scroll_into_view_if_needed()
    box = strips.nth(1).bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] * 7.5 / 10, box["y"] + 5)
    W = tab.subject.net.unpack(tab.subject.theta)[0]
    out = tab.page.locator("#heat .strip output [data-symbol]")
    assert (out.get_attribute("data-symbol"), float(out.get_attribute("data-value"))) == (
        "w^3_{7,31}", W[3][7, 31]
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["sample", "mean"])
def test_the_largest_are_listed(heat, mode):
    tab = heat("deep")
    set_state(tab.page, mode=mode)
    trace = tab.subject.trace
    layers = range(1, 4)
    grads = (
        [trace.dW[layer] for layer in layers]
        if mode == "mean"
        else matrices(tab.subject, "gradients", 0)
    )
    W = tab.subject.net.unpack(tab.subject.theta)[0]
    for place, parts in ((0, grads), (1, [W[layer] for layer in layers])):
        sizes = np.sort(np.concatenate([np.abs(part).ravel() for part in parts]))[::-1][:8]
        script = f"""[...document.querySelectorAll('#heat .list')[{place}]
                     .querySelectorAll('[data-value]')].map((n) => Math.abs(n.dataset.value))"""
        until(tab.page, script, lambda found, sizes=sizes: found == pytest.approx(sizes, rel=1e-9))


def test_dead_nodes_are_those_that_are_zero_for_every_row(heat):
    tab = heat("deep")
    trace, each = tab.subject.trace, tab.subject.per_sample
    dead = [
        f"{layer},{j}"
        for layer in (1, 2)
        for j in range(tab.subject.net.widths[layer])
        if not trace.A[layer][:, j].any() or not each.delta[layer][:, j].any()
    ]
    assert {"1,4", "1,5", "1,6"} <= set(dead)
    listed = tab.page.eval_on_selector_all("[data-dead]", "(all) => all.map((n) => n.dataset.dead)")
    assert listed == dead[: len(listed)]
    assert f"Dead nodes: {len(dead)}" in tab.page.locator("#heat .lists").text_content()
    tab.page.locator('[data-dead="1,5"]').click()
    assert tab.page.evaluate("DR.page.state.selected") == {"kind": "node", "layer": 1, "j": 5}


def test_the_maps_follow_the_theme(show):
    tab = opened_alone(show, "softmax")
    canvas = tab.page.locator("#heat canvas").first
    light = canvas.evaluate(PIXELS)
    tab.page.locator("#theme").click()
    assert tab.page.locator("#heat canvas").first.evaluate(PIXELS) != light
    tab.page.evaluate("localStorage.clear()")


def test_the_scale_has_the_numbers_of_the_map_and_points_at_the_one_that_is_read(heat):
    tab = heat("softmax")
    figure = tab.page.locator("#heat .map:not(.strip)").nth(0)
    W = tab.subject.net.unpack(tab.subject.theta)[0][1]
    most = np.abs(W).max()
    ticks = [float(t.replace("−", "-")) for t in figure.locator(".ticks span").all_text_contents()]
    assert ticks == pytest.approx([-most, -most / 2, 0, most / 2, most], abs=5e-3)
    assert not figure.locator(".needle").is_visible()
    box = figure.locator("canvas").bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] * 2.5 / 4, box["y"] + box["height"] * 3.5 / 5)
    left = figure.locator(".needle").evaluate("(needle) => parseFloat(needle.style.left)")
    assert left == pytest.approx(50 + 50 * W[3, 2] / most, abs=0.01)


@pytest.mark.parametrize("order", ["rows", "both"])
def test_rows_are_sorted_by_size_on_demand_and_keep_their_names(heat, order):
    tab = heat("deep")
    page = tab.page
    set_state(page, selected={"kind": "edge", "layer": 1, "j": 77, "k": 10})
    page.locator("#heat-order").select_option(order)
    canvas = page.locator("#heat .map:not(.strip) canvas").nth(0)
    W = tab.subject.net.unpack(tab.subject.theta)[0][1]
    rows = np.argsort(-(W**2).sum(axis=1), kind="stable")
    columns = np.argsort(-(W**2).sum(axis=0), kind="stable") if order == "both" else np.arange(64)
    box = canvas.bounding_box()
    out = page.locator("#heat .map:not(.strip)").nth(0).locator("output [data-symbol]")
    for r, c in ((0, 0), (5, 9), (127, 63)):
        page.mouse.move(
            box["x"] + box["width"] * (c + 0.5) / 64, box["y"] + box["height"] * (r + 0.5) / 128
        )
        assert out.get_attribute("data-symbol") == f"w^1_{{{rows[r]},{columns[c]}}}"
        assert float(out.get_attribute("data-value")) == W[rows[r], columns[c]]
    marked = page.locator("#heat .map:not(.strip) .marked").nth(0)
    top, left = marked.evaluate("(e) => [parseFloat(e.style.top), parseFloat(e.style.left)]")
    assert top == pytest.approx(100 * list(rows).index(77) / 128)
    assert left == pytest.approx(100 * list(columns).index(10) / 64)


def test_a_large_map_is_enlarged_and_read_there(show):
    tab = opened_alone(show, "deep")
    page = tab.page
    figure = page.locator("#heat .map:not(.strip)").nth(0)
    canvas, frame = figure.locator("canvas"), figure.locator(".map-frame")
    before = canvas.bounding_box()
    for _ in range(4):
        figure.get_by_role("button", name="Larger map").click()
    after, seen = canvas.bounding_box(), frame.bounding_box()
    assert after["width"] > 5 * before["width"]
    assert seen["height"] < 500
    page.mouse.move(seen["x"] + seen["width"] / 2, seen["y"] + seen["height"] / 2)
    symbol = figure.locator("output [data-symbol]").get_attribute("data-symbol")
    x = seen["x"] + seen["width"] / 2 - after["x"]
    y = seen["y"] + seen["height"] / 2 - after["y"]
    cell = int(y / after["height"] * 128), int(x / after["width"] * 64)
    assert symbol == f"w^1_{{{cell[0]},{cell[1]}}}"
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    canvas.focus()
    page.keyboard.press("0")
    assert canvas.bounding_box()["width"] == pytest.approx(before["width"], abs=1)
    page.keyboard.press("+")
    assert canvas.bounding_box()["width"] > 1.4 * before["width"]


def test_the_node_is_chosen_by_a_number_with_blanks_and_by_arrow_keys(show):
    page = show("softmax").page
    page.locator("#heat").scroll_into_view_if_needed()
    page.get_by_label("Layer of the node to zoom to").select_option("1")
    node = page.get_by_label("Number of the node to zoom to")
    for typed, j in ((" 3 ", 3), ("2,0", 2), ("99", 4), ("none", 0)):
        node.fill(typed)
        node.press("Enter")
        assert page.evaluate("DR.page.state.selected") == {"kind": "node", "layer": 1, "j": j}
    node.press("ArrowUp")
    assert page.evaluate("DR.page.state.selected.j") == 1
