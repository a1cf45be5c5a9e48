"""Inputs that are pixels: which pixel is which input, and what the page shows as images."""

import dataclasses

import numpy as np
import pytest
from tests.explain.pages import set_state, shown

from deltarule.errors import InputError
from deltarule.explain.page.images import image_of
from deltarule.explain.subject import InputColumn, Names, Subject
from deltarule.maths import Network
from deltarule.maths.backprop import forward

FIGURE = """() => {
  const canvas = document.querySelector(".image-view canvas");
  return [canvas.height, canvas.width, canvas.getAttribute("aria-label")];
}"""


def subject_of(names, columns=(), left_out=()):
    n = len(names)
    net = Network([n, 1], activation=[])
    plain = Names(tuple(names), ("y",), ("0",))
    subject = Subject.of_arrays(net, np.zeros(n + 1), np.ones((1, n)), [[0.0]], names=plain)
    return dataclasses.replace(subject, columns=tuple(columns), left_out=tuple(left_out))


def table(names, left_out=()):
    columns = [InputColumn(name, "number", (k,), (1.0,)) for k, name in enumerate(names)]
    return subject_of(names, columns, left_out)


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        ([f"pixel_{r}_{c}" for r in range(3) for c in range(4)], [3, 4]),
        ([f"{r}x{c}" for r in range(1, 4) for c in range(1, 5)], [3, 4]),
        ([f"pixel{k}" for k in range(16)], [4, 4]),
        ([f"pixel{k}" for k in range(12)], None),
        ([f"pixel_{r}_{c}" for r in range(3) for c in range(4)][:-1], None),
        ([f"x_{k}" for k in range(16)], None),
    ],
)
def test_names_of_pixels_are_recognised_where_they_fill_a_rectangle(names, shape):
    found = image_of(subject_of(names))
    assert (found and found["shape"]) == shape


def test_columns_that_were_left_out_have_their_places():
    names = [f"px{k}" for k in range(12)]
    kept = [name for k, name in enumerate(names) if k not in (0, 7)]
    found = image_of(table(kept, ["px0", "px7"]), (3, 4))
    assert found["inputs"] == [-1, 0, 1, 2, 3, 4, 5, -1, 6, 7, 8, 9]
    assert found["columns"] == found["inputs"]
    # Another column that did not vary is no pixel.
    assert image_of(table(names, ["source"]), (3, 4))["inputs"] == list(range(12))


def test_a_column_without_an_input_is_a_pixel_without_one():
    columns = [
        InputColumn("a", "number", (0, 1), (1.0,)),
        InputColumn("b", "number", (), (1.0,)),
        InputColumn("c", "number", (2,), (1.0,)),
        InputColumn("d", "number", (3,), (1.0,)),
    ]
    found = image_of(subject_of("abcd", columns), (2, 2))
    assert found == {"shape": [2, 2], "inputs": [0, -1, 2, 3], "columns": [0, 1, 2, 3]}


@pytest.mark.parametrize("shape", [(3, 5), (1, 1)])
def test_another_number_of_pixels_is_an_error_that_names_sizes(shape):
    with pytest.raises(
        InputError, match=r"12 inputs; with so many, an image is 3 x 4 or 2 x 6"
    ) as e:
        image_of(subject_of([f"x_{k}" for k in range(12)]), shape)
    assert (e.value.parameter, e.value.given) == ("image", shape)
    with pytest.raises(InputError, match=r"12 columns, 2 of them left out"):
        image_of(table([f"x_{k}" for k in range(10)], ["p", "q"]), shape)


@pytest.mark.parametrize("shape", [8, "8x8", (2.5, 4), (0, 12), (-3, -4), (3,), (1, 2, 6), None])
def test_a_size_is_two_whole_numbers(shape):
    subject = subject_of([f"x_{k}" for k in range(12)])
    if shape is None:
        assert image_of(subject, shape) is None
        return
    with pytest.raises(InputError, match="two whole numbers above 0"):
        image_of(subject, shape)


@pytest.fixture
def tab(shared):
    return shared("pixels")


def test_nodes_show_rows_weights_and_derivatives(tab):
    page, subject = tab.page, tab.subject
    W, _ = subject.net.unpack(subject.theta)
    values = page.evaluate("""() => {
      const image = DR.images.of(DR.page);
      const of = (l, j) => Array.from(DR.images.pictureOf(DR.page, image, l, j));
      return [of(0, 2), of(1, 3), of(2, 1)];
    }""")
    low, high = subject.X.min(), subject.X.max()
    np.testing.assert_allclose(values[0], (subject.X[0] - low) / (high - low), atol=1e-6)
    np.testing.assert_allclose(values[1], W[1][3], atol=1e-6)
    step = 1e-6 * np.eye(12)
    up, down = (
        forward(subject.net, subject.theta, subject.X[0] + s).A[2][:, 1] for s in (step, -step)
    )
    np.testing.assert_allclose(values[2], (up - down) / 2e-6, atol=1e-6)
    assert page.locator(".with-picture").count() == 20
    assert page.locator("canvas.pictures").is_visible()


def test_the_picture_of_the_selection_reads_and_selects(tab):
    page, subject = tab.page, tab.subject
    assert page.evaluate(FIGURE)[:2] == [3, 4]
    set_state(page, selected={"kind": "node", "layer": 1, "j": 2})
    assert "Weights into a₂⁽¹⁾" in page.evaluate(FIGURE)[2]
    canvas = page.locator(".image-view canvas")
    canvas.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    readout = page.locator(".image-view output")
    W, _ = subject.net.unpack(subject.theta)
    assert "pixel (1, 2)" in readout.text_content()
    value = float(readout.locator("[data-value]").get_attribute("data-value"))
    assert value == pytest.approx(W[1][2, 6], rel=1e-12)
    page.keyboard.press("Enter")
    selected = page.evaluate("DR.page.state.selected")
    assert selected == {"kind": "edge", "layer": 1, "j": 2, "k": 6}


def test_rows_are_chosen_by_their_thumbnails(tab):
    page = tab.page
    page.get_by_label("Choose a row by its picture").click()
    assert page.locator(".thumbnails button").count() == 7
    names = page.locator(".thumbnails button").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label'))"
    )
    labels = [shown("pixels").subject.names.outputs[y.argmax()] for y in tab.subject.Y]
    predicted = forward(tab.subject.net, tab.subject.theta, tab.subject.X).A[2].argmax(axis=1)
    said = [
        "right" if names_of[k] == label else f"predicted {names_of[k]}, wrong"
        for k, label in zip(predicted, labels, strict=True)
        for names_of in [shown("pixels").subject.names.outputs]
    ]
    assert len({each == "right" for each in said}) == 2
    assert names == [
        f"row r{i}, {label}, {words}"
        for i, (label, words) in enumerate(zip(labels, said, strict=True))
    ]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("DR.page.state.sample") == 2
    assert not page.locator(".thumbnails").is_visible()


def test_wrong_rows_are_marked_by_more_than_a_colour_and_can_be_seen_alone(show):
    tab = show("pixels")
    page, subject = tab.page, tab.subject
    outputs = forward(subject.net, subject.theta, subject.X).A[2]
    truth = subject.Y.argmax(axis=1)
    wrong = outputs.argmax(axis=1) != truth
    page.get_by_label("Choose a row by its picture").click()
    rows = page.locator(".thumbnails")
    texts = rows.locator("button").all_inner_texts()
    assert ["✗" in text for text in texts] == wrong.tolist()
    rows.get_by_label("Order").select_option("largest error first")
    order = rows.locator("button").evaluate_all("(all) => all.map((each) => each.dataset.row)")
    errors = 1 - outputs[np.arange(len(truth)), truth]
    assert list(map(int, order)) == np.argsort(-errors, kind="stable").tolist()
    rows.get_by_label("wrong ones only").check()
    assert rows.locator("button").count() == wrong.sum()
    assert f"{wrong.sum()} rows, {wrong.sum()} of them wrong" in rows.inner_text()


def test_all_weights_of_the_first_layer_are_a_gallery_on_one_scale(tab):
    page, subject = tab.page, tab.subject
    W, _ = subject.net.unpack(subject.theta)
    page.locator("#heat").scroll_into_view_if_needed()
    gallery = page.locator(".gallery")
    gallery.wait_for()
    assert gallery.locator("canvas").count() == 5
    assert "the same scale for all 5" in gallery.inner_text()
    painted = gallery.locator("canvas").evaluate_all("""(all) => all.map((canvas) =>
      [canvas.height, canvas.width, ...canvas.getContext("2d").getImageData(0, 0, 4, 3).data])""")
    assert [each[:2] for each in painted] == [[3, 4]] * 5
    # The entry of the largest size is painted in the full colour, in its own image alone.
    j, k = np.unravel_index(np.abs(W[1]).argmax(), W[1].shape)
    name = "negative" if W[1][j, k] < 0 else "positive"
    full = page.evaluate("(name) => DR.maps.colours()[name]", name)
    pixels = np.array([each[2:] for each in painted]).reshape(5, 12, 4)[:, :, :3]
    hits = np.argwhere((np.abs(pixels - full) <= 1).all(axis=2))
    assert hits.tolist() == [[j, k]]
    gallery.locator("button").nth(2).click()
    assert page.evaluate("DR.page.state.selected") == {"kind": "node", "layer": 1, "j": 2}
    gallery.locator("[aria-current]").wait_for()  # the maps follow a moment later
    assert gallery.locator("[aria-current]").get_attribute("data-node") == "2"


def test_attributions_are_an_image_too(tab):
    page = tab.page
    page.locator("[data-attribute=all]").scroll_into_view_if_needed()
    page.locator(".image-pair canvas").nth(2).wait_for()  # the last is the mean of the rows
    labels = page.locator(".image-pair canvas").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label'))"
    )
    assert ["The part of each pixel" in labels[0], "The input" in labels[1]] == [True, True]
    # The bars, which list the largest twelve, are in a fold.
    assert not page.locator(".lens-attributions.signed").is_visible()


def test_other_networks_have_no_images(show):
    page = show("softmax").page
    assert page.locator(".thumbnail").count() == 0
    assert not page.locator(".image-view").is_visible()
