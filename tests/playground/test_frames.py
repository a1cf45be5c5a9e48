"""Frames, the decision surface, and the messages of browsers."""

import dataclasses
import json

import numpy as np
import pytest

from deltarule.errors import InputError
from deltarule.playground import RunSettings, builtin_data, decision_surface, table_data
from deltarule.playground.client_messages import MOST_BYTES, parse_message
from deltarule.playground.decision_surface import (
    FINE_SIDE,
    SIDE,
    class_probabilities,
    plane_for,
    plane_points,
    suggested_axes,
    surface_levels,
)
from deltarule.playground.frame_format import pack_frame, unpack_frame
from deltarule.playground.run_state import make_run_state
from deltarule.playground.run_view import encode_frame
from deltarule.tables import infer_schema, table_from_frame


def test_unpack_frame_inverts_pack_frame():
    arrays = {
        "level": np.arange(7, dtype=np.uint8),
        "theta": np.linspace(-1, 1, 5, dtype=np.float32),
        "empty": np.zeros(0, dtype=np.float32),
    }
    data = pack_frame({"step": 3, "message": "θ → ∞"}, arrays)
    header, found = unpack_frame(data)
    assert (header["step"], header["message"]) == (3, "θ → ∞")
    for name, array in arrays.items():
        assert found[name].tolist() == array.tolist()
    assert len(data) % 4 == 0


def test_arrays_are_aligned_to_4_bytes():
    data = pack_frame({"a": "é"}, {"x": np.zeros(3, np.uint8), "y": np.ones(2, np.float32)})
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    assert (4 + length + header["arrays"]["y"]["at"]) % 4 == 0


def test_frames_that_are_too_large_or_not_encodable_are_refused():
    with pytest.raises(InputError, match="at most"):
        pack_frame({}, {"x": np.zeros(5_000_000, np.float32)})
    with pytest.raises(InputError, match="float64"):
        pack_frame({}, {"x": np.zeros(5)})
    with pytest.raises(ValueError, match="JSON"):
        pack_frame({"loss": float("nan")}, {})


@pytest.mark.parametrize("hold", ["mean", "median"])
def test_a_plane_varies_two_inputs_and_holds_the_others_constant(hold):
    data = builtin_data("digits", rows=300)
    plane = plane_for(data, 12, 30, hold)
    kept = np.delete(data.X, data.held, axis=0)
    middle = getattr(np, hold)(kept, axis=0)
    for k in set(range(64)) - {12, 30}:
        assert plane.rows()[:, k] == pytest.approx(np.full(SIDE * SIDE, middle[k]))
    grid = plane.rows().reshape(SIDE, SIDE, 64)
    low, high, bottom, top = plane.ranges
    assert grid[7, [0, -1], 12] == pytest.approx([low, high])
    # The first row is the top.
    assert grid[[0, -1], 7, 30] == pytest.approx([top, bottom])
    assert low < data.X[:, 12].min() < data.X[:, 12].max() < high


def test_a_plane_is_finer_in_a_pause_and_contains_derived_inputs():
    data = builtin_data("moons", derived=["square_0", "product"])
    plane = plane_for(data, 0, 1, "mean")
    for side in (SIDE, FINE_SIDE):
        rows = plane.rows(side)
        assert rows.shape == (side * side, 4)
        assert rows[:, 2] == pytest.approx(rows[:, 0] ** 2, abs=1e-6)
        assert rows[:, 3] == pytest.approx(rows[:, 0] * rows[:, 1], abs=1e-6)
        assert (plane.outputs(lambda X: X.copy(), side) == rows).all()
    header, arrays = unpack_frame(frame(moving=True))
    fine_header, fine = unpack_frame(frame(moving=False))
    assert (header["side"], fine_header["side"]) == (SIDE, FINE_SIDE)
    assert [len(each["level"]) for each in (arrays, fine)] == [SIDE**2, FINE_SIDE**2]


def frame(moving):
    return encode_frame(make_run_state(RunSettings(data="xor")), {}, moving)


def test_a_plane_over_many_inputs_is_computed_in_parts(monkeypatch):
    data = builtin_data("digits", rows=100)
    plane = plane_for(data, 12, 30, "mean")
    monkeypatch.setattr(decision_surface, "_MOST_KEPT", 64 * SIDE * 7)
    parts = []
    found = plane.outputs(lambda X: parts.append(len(X)) or X[:, [12, 30]])
    assert len(parts) == 14
    assert max(parts) == 7 * SIDE
    monkeypatch.undo()
    assert (found == plane.rows()[:, [12, 30]]).all()


@pytest.mark.parametrize(
    "axes", [(0, 0, "mean"), (0, 2, "mean"), (-1, 1, "mean"), (0, -1, "mean"), (0, 1, "row")]
)
def test_invalid_axes_are_refused(axes):
    with pytest.raises(InputError, match="expected two different inputs"):
        plane_for(builtin_data("xor"), *axes)


def test_suggested_axes_are_those_that_explain_most():
    data = builtin_data("digits", rows=600)
    label = np.zeros((600, 64), np.float32)
    label[:, 5] = data.y + 0.01 * np.arange(600) / 600
    label[:, 9] = data.y > 4
    label += 0.05 * np.random.default_rng(0).normal(size=label.shape).astype(np.float32)
    assert set(suggested_axes(data.__class__(**{**vars(data), "X": label}))) == {5, 9}


@pytest.fixture(scope="module")
def mixed():
    """A number with missing cells, a category, a date, and a category unrelated to the target."""
    n = 120
    table = table_from_frame(
        {
            "size": [None if i % 11 == 0 else i % 7 * 1.5 for i in range(n)],
            "town": [["Bonn", "Rome", "Ulm"][i % 3] for i in range(n)],
            "day": [f"2024-01-{i % 28 + 1:02}" for i in range(n)],
            "coin": [["head", "tail"][i * i % 7 % 2] for i in range(n)],
            "price": [i % 7 * 1.0 + 20 * (i % 3 == 1) for i in range(n)],
        }
    )
    return table_data(table, infer_schema(table, "price"))


def test_the_axes_of_a_table_are_its_columns(mixed):
    assert [axis.name for axis in mixed.axes] == ["size", "town", "day", "coin"]
    size, town, day, coin = mixed.axes
    assert (len(size.inputs), size.levels) == (1, ())
    assert (town.levels, coin.levels) == (("Bonn", "Rome", "Ulm"), ("head", "tail"))
    assert [each.date for each in mixed.axes] == [False, False, True, False]
    assert [mixed.inputs[k] for k in town.inputs] == ["town=Bonn", "town=Rome", "town=Ulm"]
    assert mixed.inputs[day.inputs[0]] == "day"
    assert suggested_axes(mixed) == (1, 0)


def test_every_grid_point_along_a_category_is_one_level(mixed):
    plane = plane_for(mixed, 1, 0, "mean")
    assert plane.ranges[:2] == (-0.5, 2.5)
    marks = plane.rows().reshape(SIDE, SIDE, -1)[:, :, list(mixed.axes[1].inputs)]
    assert set(marks.ravel().tolist()) == {0.0, 1.0}
    assert (marks.sum(axis=2) == 1).all()
    assert marks[5].argmax(axis=1).tolist() == sorted([0, 1, 2] * (SIDE // 3))
    # Inputs on neither axis are constant, those of the other category included.
    kept = np.delete(mixed.X, mixed.held, axis=0).mean(axis=0)
    for k in mixed.axes[3].inputs:
        assert plane.rows()[:, k] == pytest.approx(np.full(SIDE * SIDE, kept[k]))


def test_points_of_a_level_are_spread_over_its_width(mixed):
    found = plane_points(mixed, plane_for(mixed, 1, 0, "mean"))
    level = mixed.X[:, list(mixed.axes[1].inputs)].argmax(axis=1)
    assert np.abs(np.array(found["x"]) - level).max() < 0.5
    assert len(set(found["x"])) > 100
    assert found == plane_points(mixed, plane_for(mixed, 1, 0, "median"))


def test_rows_with_a_level_unknown_to_the_encoder_are_omitted(mixed):
    X = mixed.X.copy()
    X[3, list(mixed.axes[1].inputs)] = 0
    other = dataclasses.replace(mixed, X=X)
    found = plane_points(other, plane_for(other, 1, 0, "mean"))
    assert {len(column) for column in found.values()} == {len(X) - 1}
    assert found["value"] == [round(float(v), 5) for v in np.delete(mixed.y, 3)]


def test_surface_levels_are_probabilities_scaled_to_bytes():
    two = builtin_data("xor")
    level = surface_levels(two, np.array([[0.0], [0.5], [1.0], [np.nan]], np.float32))["level"]
    assert level.tolist() == [0, 128, 255, 128]
    ten = builtin_data("digits", rows=100)
    output = np.full((2, 10), 0.05, np.float32)
    output[0, 3], output[1, 7] = 0.55, 0.55
    found = surface_levels(ten, output)
    assert found["class"].tolist() == [3, 7]
    assert found["level"].tolist() == [round(0.55 * 255)] * 2


def test_class_probabilities_sum_to_one():
    for output in ([[0.3]], [[0.2, 0.2, 0.6]], [[0.9, 0.6, 0.5]], [[0.0, 0.0, 0.0]]):
        shares = class_probabilities(np.array(output))
        assert shares.sum() in (pytest.approx(1), 0)


def test_points_are_at_most_800_and_mark_held_out_rows():
    data = builtin_data("circles", rows=5000)
    found = plane_points(data, plane_for(data, 0, 1, "mean"))
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
def test_invalid_messages_are_refused(text):
    with pytest.raises(InputError, match="expected") as error:
        parse_message(text)
    assert len(str(error.value)) < 300


def test_invalid_message_has_the_id_of_the_message():
    with pytest.raises(InputError) as error:
        parse_message('{"type": "fly", "id": 12}')
    assert error.value.id == 12
