"""The built-in data and the tables of the playground."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from deltarule.errors import DataError, InputError, UnknownName
from deltarule.maths import Network
from deltarule.playground import BUILTIN, ReadTable, builtin_data, table_data
from deltarule.tables import infer_schema, table_from_frame

QUANTITIES = ("plane", "bumps")
POINTS = [name for name in BUILTIN if name not in ("digits", *QUANTITIES)]


@pytest.mark.parametrize("name", BUILTIN)
def test_the_same_seed_gives_the_same_data_and_another_seed_others(name):
    first, again = (builtin_data(name, rows=90, noise=0.1, seed=3) for _ in range(2))
    assert (first.X == again.X).all()
    assert (first.y == again.y).all()
    assert (first.held == again.held).all()
    other = builtin_data(name, rows=90, noise=0.1, seed=4)
    assert (first.X != other.X).any()


@pytest.mark.parametrize("name", BUILTIN)
def test_data_have_the_types_and_shapes_that_a_network_needs(name):
    data = builtin_data(name, rows=200, held=0.25)
    assert data.X.dtype == np.float32
    assert data.X.flags.c_contiguous
    assert data.X.shape == (200, len(data.inputs))
    assert len(data.held) == 50
    if name in QUANTITIES:
        assert data.target.task == "regression"
        assert 0.4 < np.abs(data.y).max() < 1.1
    else:
        assert set(data.y.tolist()) == set(range(len(data.target.classes)))


@pytest.mark.parametrize("name", POINTS)
def test_points_without_noise_are_separable_and_have_scale_one(name):
    data = builtin_data(name, rows=400, noise=0.0)
    assert 0.5 < np.abs(data.X).max() < 1.6
    # Points of different classes have different coordinates.
    one, two = data.X[data.y == 0], data.X[data.y == 1]
    assert min(len(one), len(two)) > 100
    assert np.linalg.norm(one[:, None] - two, axis=2).min() > 1e-3


def test_xor_labels_are_the_exclusive_or_of_the_signs():
    data = builtin_data("xor", rows=300, noise=0.0)
    assert ((data.X[:, 0] * data.X[:, 1] < 0) == data.y).all()


def test_digits_are_a_permutation_of_scikit_learns():
    data, known = builtin_data("digits", rows=20_000, noise=0.0), load_digits()
    assert sorted(map(tuple, data.X.tolist())) == sorted(map(tuple, (known.data / 16).tolist()))
    row = int(np.flatnonzero((known.data / 16 == data.X[5]).all(axis=1))[0])
    assert known.target[row] == data.y[5]


def test_held_out_rows_are_stratified_by_class():
    data = builtin_data("digits", rows=1000, held=0.3)
    for digit in range(10):
        share = (data.y[data.held] == digit).sum() / (data.y == digit).sum()
        assert abs(share - 0.3) < 0.02
    assert builtin_data("xor", held=0.0).held is None


def test_the_plane_is_the_mean_of_the_coordinates_and_the_bumps_are_at_their_centres():
    data = builtin_data("plane", noise=0.0)
    assert data.y == pytest.approx(data.X.mean(axis=1), abs=1e-6)
    data = builtin_data("bumps", rows=2000, noise=0.0)
    top = data.X[np.argsort(-data.y)[:40]]
    centres = np.array([[-0.6, 0.5], [0.6, 0.5], [0.0, -0.6]])
    distance = np.linalg.norm(top[:, None] - centres, axis=2)
    assert distance.min(axis=1).max() < 0.15
    assert set(distance.argmin(axis=1).tolist()) == {0, 1, 2}


def test_derived_inputs_are_functions_of_the_two_others():
    names = ("square_0", "square_1", "product", "sine_0", "sine_1")
    data = builtin_data("xor", rows=50, seed=2, derived=names)
    plain = builtin_data("xor", rows=50, seed=2)
    assert (data.X[:, :2] == plain.X).all()
    assert (data.y == plain.y).all()
    a, b = plain.X.astype(float).T
    expected = np.column_stack([a * a, b * b, a * b, np.sin(np.pi * a), np.sin(np.pi * b)])
    assert data.X[:, 2:] == pytest.approx(expected, abs=1e-7)
    assert data.inputs[2:] == ("x₀²", "x₁²", "x₀·x₁", "sin(π x₀)", "sin(π x₁)")
    assert [axis.name for axis in data.axes] == ["x_0", "x_1"]
    assert data.derivable
    rows = data.X.copy()
    rows[:, 2:] = 0
    data.write_derived(rows)
    assert (rows == data.X).all()


@pytest.mark.parametrize(
    ("name", "derived"),
    [("digits", ["product"]), ("xor", ["cube_0"]), ("xor", ["product", "product"]), ("xor", [3])],
)
def test_inputs_that_cannot_be_derived_are_refused(name, derived):
    with pytest.raises(InputError, match=r"derived is .*expected"):
        builtin_data(name, rows=40, derived=derived)


def test_targets_are_numbers_or_one_hot_rows():
    data = builtin_data("digits", rows=50)
    net = Network([64, 10], [], output_activation="softmax", loss="cross_entropy")
    Y = data.targets(net)
    assert (Y.sum(axis=1) == 1).all()
    assert (Y.argmax(axis=1) == data.y).all()


def test_invalid_arguments_are_refused():
    with pytest.raises(UnknownName, match="moons"):
        builtin_data("mooons")
    for wrong in ({"rows": 5}, {"noise": -1.0}, {"noise": float("nan")}, {"held": 1.0}):
        with pytest.raises(InputError, match="expected at least 10 rows"):
            builtin_data("xor", **wrong)


def frame(n=60):
    rng = np.random.default_rng(0)
    town = np.array(["Ulm", "Bonn", "Rome"], dtype=object)[rng.integers(0, 3, n)]
    size = rng.normal(50, 10, n)
    size[3] = np.nan
    return {"size": size, "town": town, "other": rng.normal(size=n), "price": 3 * size + 100}


def source(**columns):
    table = table_from_frame(frame() | columns)
    return ReadTable.of(table, infer_schema(table, "price"))


def test_encoders_of_a_table_are_fitted_to_the_training_rows():
    data = table_data(source(), seed=1)
    kept = np.delete(np.arange(len(data.X)), data.held)
    k = data.inputs.index("size")
    cells = data.typed.columns["size"]
    known = kept[~np.isnan(cells[kept])]
    assert data.offsets[k] == pytest.approx(cells[known].mean())
    assert data.scales[k] == pytest.approx(cells[known].std())
    assert data.X[known[0], k] * data.scales[k] + data.offsets[k] == pytest.approx(cells[known[0]])
    assert data.target.mean == pytest.approx(data.typed.target[kept].mean())
    assert data.y * data.target.scale + data.target.mean == pytest.approx(data.typed.target)


def test_columns_can_be_chosen_and_unknown_ones_are_refused():
    assert table_data(source(), columns=["other"]).inputs == ("other",)
    assert {name.split("=")[0] for name in table_data(source(), columns=["town"]).inputs} == {
        "town"
    }
    with pytest.raises(DataError, match="no column 'towns'"):
        table_data(source(), columns=["towns"])


def test_a_long_table_is_sampled_with_the_seed():
    first, again = (table_data(source(), rows=20, seed=5) for _ in range(2))
    assert len(first.X) == 20
    assert (first.typed.rows == again.typed.rows).all()
    assert (first.typed.rows != table_data(source(), rows=20, seed=6).typed.rows).any()


def test_labels_become_classes():
    table = table_from_frame(frame())
    data = table_data(table, infer_schema(table, "town", ignore=["price"]))
    assert data.target.classes == ("Bonn", "Rome", "Ulm")
    assert [data.target.classes[c] for c in data.y] == data.typed.target.tolist()


def test_a_table_without_a_schema_or_with_few_rows_is_refused():
    table = table_from_frame(frame())
    with pytest.raises(InputError, match="schema is None"):
        table_data(table)
    short = table_from_frame({name: column[:8] for name, column in frame().items()})
    with pytest.raises(DataError, match="7 rows with a known target"):
        table_data(short, infer_schema(short, "price"))
