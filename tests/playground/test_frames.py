"""Frames, the plane, and the messages of browsers."""

import json

import numpy as np
import pytest

from deltarule.errors import InputError
from deltarule.playground import builtin_data
from deltarule.playground.frames import packed, unpacked
from deltarule.playground.messages import MOST_BYTES, parsed
from deltarule.playground.surface import (
    SIDE,
    class_shares,
    plane_for,
    points,
    suggested_axes,
    surface,
)


def test_a_frame_comes_back_as_it_was():
    arrays = {
        "level": np.arange(7, dtype=np.uint8),
        "theta": np.linspace(-1, 1, 5, dtype=np.float32),
        "empty": np.zeros(0, dtype=np.float32),
    }
    data = packed({"step": 3, "message": "θ → ∞"}, arrays)
    header, found = unpacked(data)
    assert (header["step"], header["message"]) == (3, "θ → ∞")
    for name, array in arrays.items():
        assert found[name].tolist() == array.tolist()
    assert len(data) % 4 == 0


def test_arrays_begin_where_a_browser_can_look_at_them():
    data = packed({"a": "é"}, {"x": np.zeros(3, np.uint8), "y": np.ones(2, np.float32)})
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    assert (4 + length + header["arrays"]["y"]["at"]) % 4 == 0


def test_a_frame_is_bounded_and_holds_numbers_of_json():
    with pytest.raises(InputError, match="at most"):
        packed({}, {"x": np.zeros(5_000_000, np.float32)})
    with pytest.raises(InputError, match="float64"):
        packed({}, {"x": np.zeros(5)})
    with pytest.raises(ValueError, match="JSON"):
        packed({"loss": float("nan")}, {})


@pytest.mark.parametrize("hold", ["mean", "median"])
def test_a_plane_varies_two_inputs_and_holds_the_others(hold):
    data = builtin_data("digits", rows=300)
    plane = plane_for(data, 12, 30, hold)
    kept = np.delete(data.X, data.held, axis=0)
    middle = getattr(np, hold)(kept, axis=0)
    for k in set(range(64)) - {12, 30}:
        assert plane.rows[:, k] == pytest.approx(np.full(SIDE * SIDE, middle[k]))
    grid = plane.rows.reshape(SIDE, SIDE, 64)
    low, high, bottom, top = plane.ranges
    assert grid[7, [0, -1], 12] == pytest.approx([low, high])
    # The first row is the top.
    assert grid[[0, -1], 7, 30] == pytest.approx([top, bottom])
    assert low < data.X[:, 12].min() < data.X[:, 12].max() < high


@pytest.mark.parametrize(
    "axes", [(0, 0, "mean"), (0, 2, "mean"), (-1, 1, "mean"), (0, -1, "mean"), (0, 1, "row")]
)
def test_a_plane_that_is_none_is_refused(axes):
    with pytest.raises(InputError, match="expected two different inputs"):
        plane_for(builtin_data("xor"), *axes)


def test_the_inputs_that_say_most_are_looked_at_first():
    data = builtin_data("digits", rows=600)
    label = np.zeros((600, 64), np.float32)
    label[:, 5] = data.y + 0.01 * np.arange(600) / 600
    label[:, 9] = data.y > 4
    label += 0.05 * np.random.default_rng(0).normal(size=label.shape).astype(np.float32)
    assert set(suggested_axes(data.__class__(**{**vars(data), "X": label}))) == {5, 9}


def test_bytes_of_the_plane_are_probabilities():
    two = builtin_data("xor")
    level = surface(two, np.array([[0.0], [0.5], [1.0], [np.nan]], np.float32))["level"]
    assert level.tolist() == [0, 128, 255, 128]
    ten = builtin_data("digits", rows=100)
    output = np.full((2, 10), 0.05, np.float32)
    output[0, 3], output[1, 7] = 0.55, 0.55
    found = surface(ten, output)
    assert found["class"].tolist() == [3, 7]
    assert found["level"].tolist() == [round(0.55 * 255)] * 2


def test_shares_of_classes_add_to_one():
    for output in ([[0.3]], [[0.2, 0.2, 0.6]], [[0.9, 0.6, 0.5]], [[0.0, 0.0, 0.0]]):
        shares = class_shares(np.array(output))
        assert shares.sum() in (pytest.approx(1), 0)


def test_points_are_few_and_marked():
    data = builtin_data("circles", rows=5000)
    found = points(data, plane_for(data, 0, 1, "mean"))
    assert {len(column) for column in found.values()} == {800}
    assert 0.25 < np.mean(found["held"]) < 0.35


@pytest.mark.parametrize(
    "text",
    [
        "",
        "play",
        "[]",
        "null",
        "3",
        '"play"',
        "{",
        "{}",
        '{"type": 3}',
        '{"type": ["play"]}',
        '{"type": "fly"}',
        '{"type": "play", "now": 1}',
        '{"type": "rate"}',
        '{"type": "rate", "learning_rate": NaN}',
        '{"type": "rate", "learning_rate": ' + "1" * 5000 + "}",
        '{"type": "__init__"}',
        '{"type": "close"}',
        '{"type": "snapshot"}',
        "[" * 60_000,
        '{"type": ' + "[" * 900 + "]" * 900 + "}",
        " " * (MOST_BYTES + 1),
        b'{"type": "play"}',
    ],
)
def test_what_is_no_message_is_refused(text):
    with pytest.raises(InputError, match="expected") as error:
        parsed(text)
    assert len(str(error.value)) < 300


def test_a_refusal_keeps_the_number_of_the_message():
    with pytest.raises(InputError) as error:
        parsed('{"type": "fly", "id": 12}')
    assert error.value.id == 12
