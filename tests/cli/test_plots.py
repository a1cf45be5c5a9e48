"""The picture of a fit shows its losses where its axes say."""

import dataclasses
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from deltarule.cli.plots import loss_picture
from deltarule.tabular import TableSettings, fit_table

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    frame = {"a": x[:, 0], "b": x[:, 1], "y <&$\x07": x[:, 0] * 3 + x[:, 1] ** 2}
    return fit_table(frame, "y <&$\x07", TableSettings(layers=(4,), epochs=9))


def with_losses(model, training, validation):
    logs = [
        dataclasses.replace(log, loss=loss, validation_loss=other)
        for log, loss, other in zip(model.history.logs, training, validation, strict=False)
    ]
    history = dataclasses.replace(model.history, logs=logs)
    return dataclasses.replace(model, model=dataclasses.replace(model.model, history=history))


def picture(model):
    root = ET.fromstring(loss_picture(model))
    texts = [
        (each.text, float(each.get("x")), float(each.get("y"))) for each in root.iter(f"{SVG}text")
    ]
    curves = [
        np.array([pair.split(",") for pair in each.get("points").split()], dtype=float)
        for each in root.iter(f"{SVG}polyline")
    ]
    return root, texts, curves


def scale(texts, *, along_x):
    """Value against position, from the first and the last tick of an axis."""
    ticks = []
    for words, x, y in texts:
        try:
            value = float(words)
        except ValueError:
            continue
        if (y == 368) == along_x:
            ticks.append((x if along_x else y - 4, value))
    return sorted(ticks)


@pytest.mark.parametrize("ratio", [1.05, 1.6])
def test_the_losses_stand_where_the_axes_say(model, ratio):
    training = [2.0 * ratio**-k for k in range(9)]
    validation = [3.0, None, *(2.5 * ratio**-k for k in range(7))]
    _, texts, (one, other) = picture(with_losses(model, training, validation))
    epochs, losses = scale(texts, along_x=True), scale(texts, along_x=False)
    assert len(epochs) >= 2
    assert len(losses) >= 3
    is_log = training[0] / training[-1] > 3
    (x0, e0), (x1, e1) = epochs[0], epochs[-1]
    (y0, l0), (y1, l1) = losses[0], losses[-1]
    scaled = math.log10 if is_log else float

    def place(epoch, loss):
        return (
            x0 + (epoch - e0) * (x1 - x0) / (e1 - e0),
            y0 + (scaled(loss) - scaled(l0)) * (y1 - y0) / (scaled(l1) - scaled(l0)),
        )

    expected = [place(k + 1, loss) for k, loss in enumerate(training)]
    np.testing.assert_allclose(one, expected, atol=0.2)
    expected = [place(k + 1, loss) for k, loss in enumerate(validation) if loss is not None]
    np.testing.assert_allclose(other, expected, atol=0.2)
    words = [text for text, *_ in texts]
    assert {"training", "validation", "epoch"} <= set(words)
    assert any(text.startswith("y <&$\\x07: 2-4-1") for text in words)


def test_a_single_epoch_is_a_point_and_none_an_empty_picture(model):
    root, texts, curves = picture(with_losses(model, [2.0], [None]))
    assert not curves
    assert len(list(root.iter(f"{SVG}circle"))) == 1
    root, texts, curves = picture(with_losses(model, [], []))
    assert "no epoch was completed" in [text for text, *_ in texts]
    assert not list(root.iter(f"{SVG}circle"))


def test_a_loss_that_is_not_finite_is_left_out(model):
    training = [2.0, 1.5, math.nan, 1.2, math.inf, 1.1, 1.0, 1.0, 1.0]
    _, _, (curve,) = picture(with_losses(model, training, [None] * 9))
    assert len(curve) == 7
