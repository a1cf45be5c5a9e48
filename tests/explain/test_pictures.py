"""The pictures in the nodes: their numbers against Python's forward pass, and what they follow."""

import numpy as np
import pytest
from tests.browser import violations_in_both_schemes
from tests.explain.pages import set_state, shown, until

from deltarule.maths.backprop import forward

MAPS = """(side) => {
  const { store } = { store: DR.page };
  const plane = DR.planes.of(store);
  const nodes = DR.plan.nodesOf(store);
  const maps = DR.planes.sample(store.net, store.seen().theta(), plane, nodes, side);
  return { ranges: plane.ranges, maps: maps.map((list) => list.map((map) => Array.from(map))) };
}"""

# The colour at a node's picture where the row is not marked: a corner, by parts of half its side.
COLOUR = """([l, j, dx, dy]) => {
  const canvas = document.querySelector("canvas.pictures");
  const face = document.querySelector(`[data-node="${l},${j}"] rect.face`).getBoundingClientRect();
  const box = canvas.getBoundingClientRect();
  const at = (from, size, t, low, all, pixels) =>
    Math.round(((from + (size * (t + 1)) / 2 - low) / all) * pixels);
  const x = at(face.left, face.width, dx, box.left, box.width, canvas.width);
  const y = at(face.top, face.height, dy, box.top, box.height, canvas.height);
  const one = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  one.drawImage(canvas, -x, -y);
  return [...one.getImageData(0, 0, 1, 1).data];
}"""


def grid(ranges, side):
    x0, x1, y0, y1 = ranges
    part = (np.arange(side) + 0.5) / side
    up, across = np.meshgrid(y1 + (y0 - y1) * part, x0 + (x1 - x0) * part, indexing="ij")
    return np.column_stack((across.ravel(), up.ravel()))


def activations(net, theta, X):
    return forward(net, theta, X).A


@pytest.fixture
def tab(shared):
    return shared("planar")


def test_maps_are_the_activations_of_the_forward_pass(tab):
    page, subject = tab.page, tab.subject
    for state in (1, 0):
        set_state(page, state=state)
        theta = shown("planar").states[state].theta
        found = page.evaluate(MAPS, 7)
        x0, x1, y0, y1 = found["ranges"]
        X = subject.X
        assert ((x0, y0) < X).all()
        assert ((x1, y1) > X).all()
        expected = activations(subject.net, theta, grid(found["ranges"], 7))
        for layer, maps in enumerate(found["maps"]):
            np.testing.assert_allclose(np.array(maps).T, expected[layer], atol=1e-6)


def test_pictures_follow_the_step_and_the_nudge(tab):
    page, net = tab.page, tab.subject.net
    nudge = {"what": {"kind": "edge", "layer": 1, "j": 0, "k": 0}, "delta": 25.0}
    seen = {}
    for name, changes in {"last": {}, "nudged": {"nudge": nudge}, "first": {"state": 0}}.items():
        set_state(page, nudge=None)
        set_state(page, **changes)
        page.wait_for_timeout(400)
        theta = np.array(page.evaluate("Array.from(DR.page.seen().theta())"))
        ranges = page.evaluate("DR.planes.of(DR.page).ranges")
        corners = [(-0.7, -0.7), (0.7, -0.7), (-0.7, 0.7), (0.7, 0.7)]
        x0, x1, y0, y1 = ranges
        X = [
            ((x0 + x1) / 2 + dx * (x1 - x0) / 2, (y0 + y1) / 2 - dy * (y1 - y0) / 2)
            for dx, dy in corners
        ]
        A = activations(net, theta, np.array(X))
        for layer, middle in ((1, 0.0), (2, 0.5)):
            for j in range(net.widths[layer]):
                for place, (dx, dy) in enumerate(corners):
                    red, _, blue, alpha = page.evaluate(COLOUR, [layer, j, dx, dy])
                    assert alpha == 255
                    value = A[layer][place, j] - middle
                    if abs(value) > 0.1:
                        assert (red > blue) == (value > 0), (name, layer, j, place, value)
        seen[name] = [page.evaluate(COLOUR, [2, 0, dx, dy]) for dx, dy in corners]
    assert seen["last"] != seen["nudged"] != seen["first"]


def test_a_node_has_its_picture_once_it_is_computed(tab):
    page = tab.page
    pictured = "[...document.querySelectorAll('.with-picture')].map((n) => n.dataset.node)"
    assert len(page.evaluate(pictured)) == 6
    set_state(page, sweep={"direction": "forward", "layer": 1, "node": 1})
    assert page.evaluate(pictured) == ["0,0", "0,1", "1,0", "1,1"]
    set_state(page, sweep=None, colour="gradient")
    assert page.evaluate(pictured) == []


def test_the_large_picture_reads_places_and_chooses_rows(tab):
    page, subject = tab.page, tab.subject
    set_state(page, selected={"kind": "node", "layer": 1, "j": 2})
    view = page.locator(".plane-view canvas")
    assert "a₂⁽¹⁾" in view.get_attribute("aria-label")
    view.focus()
    page.keyboard.press("ArrowRight")
    text = until(
        page, "document.querySelector('.plane-view output').textContent", lambda t: "a =" in t
    )
    x0, x1, *_ = page.evaluate("DR.planes.of(DR.page).ranges")
    place = subject.X[:1] + [[(x1 - x0) / 24, 0]]
    a = activations(subject.net, subject.theta, place)[1][0, 2]
    shown_a = float(text.split("a =")[1].replace("−", "-"))
    assert shown_a == pytest.approx(a, abs=5e-6)
    # A click on the point of row 5.
    ranges = page.evaluate("DR.planes.of(DR.page).ranges")
    box = view.bounding_box()
    across = (subject.X[5, 0] - ranges[0]) / (ranges[1] - ranges[0])
    down = 1 - (subject.X[5, 1] - ranges[2]) / (ranges[3] - ranges[2])
    page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
    assert page.evaluate("DR.page.state.sample") == 5


def test_with_one_input_a_picture_is_the_curve_of_a(show):
    tab = show("line")
    page, subject = tab.page, tab.subject
    found = page.evaluate(MAPS, 11)
    x0, x1, *_ = found["ranges"]
    across = x0 + (x1 - x0) * (np.arange(11) + 0.5) / 11
    expected = activations(subject.net, subject.theta, across[:, None])
    for layer, maps in enumerate(found["maps"]):
        np.testing.assert_allclose(np.array(maps).T, expected[layer], atol=1e-6)
    # The first output's curve is filled from the middle: orange where a > 0, else blue or paper.
    page.wait_for_timeout(400)
    most = np.abs(expected[2]).max()
    for dx in (-0.6, 0.0, 0.55):
        x = (x0 + x1) / 2 + dx * (x1 - x0) / 2
        a = activations(subject.net, subject.theta, np.array([[x]]))[2][0, 0]
        inside = 0.5 * a / most
        red, _, blue, _ = page.evaluate(COLOUR, [2, 0, dx, -inside])
        assert (red > blue + 40) == (a > 0)
        red, _, blue, _ = page.evaluate(COLOUR, [2, 0, dx, inside])
        assert abs(red - blue) < 20
    # Keys go along the line, and Enter chooses the row that is nearest.
    page.locator(".plane-view canvas").focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    right = subject.X[0, 0] + 9 * (x1 - x0) / 24
    assert page.evaluate("DR.page.state.sample") == np.abs(subject.X[:, 0] - right).argmin()


def test_other_networks_have_no_pictures_of_a_plane(show):
    page = show("softmax").page
    assert page.locator(".with-picture, canvas.pictures").count() == 0
    assert not page.locator(".plane-view").is_visible()


@pytest.mark.parametrize("name", ["planar", "pixels"])
def test_axe_finds_nothing_wrong_with_pictures_images_and_sums(show, name):
    page = show(name).page
    set_state(page, selected={"kind": "node", "layer": 1, "j": 0})
    page.evaluate("() => { for (let i = 0; i < 3; ++i) DR.sweep.step(1); }")
    if name == "pixels":
        page.get_by_label("Choose a row by its picture").click()
    assert violations_in_both_schemes(page) == []
