"""Batches: the order, the weights, the short last batch, the split."""

import numpy as np
import pytest
from tests.training.helpers import regression

from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.training import Batches, RowSource, epoch_order, split_rows, train
from deltarule.training.batches import Rows, SelectedRows, chunks


def make(n=10, batch_size=4, s=None, shuffle=True, seed=0, **changes):
    X = np.arange(n, dtype=np.float64)[:, None]
    s = np.ones(n) if s is None else np.asarray(s, float)
    return Batches(X, 2 * X, s, batch_size, seed, shuffle, **changes)


@pytest.mark.parametrize(("n", "size", "steps"), [(10, 4, 3), (8, 4, 2), (3, 4, 1), (1, 1, 1)])
def test_every_row_comes_once_in_an_epoch_with_its_own_target(n, size, steps):
    batches = make(n, size)
    got = list(batches.epoch(0))
    assert len(got) == batches.steps_per_epoch == steps
    rows = np.concatenate([b.rows for b in got])
    assert sorted(rows) == list(range(n))
    for b in got:
        assert np.array_equal(b.X[:, 0], b.rows)
        assert np.array_equal(b.Y[:, 0], 2 * b.rows)


def test_a_batch_has_no_more_rows_than_there_are():
    assert make(3, 100).batch_size == 3


def test_steps_are_counted_over_the_whole_training():
    batches = make(10, 4)
    assert [b.step for e in range(3) for b in batches.epoch(e)] == list(range(1, 10))
    assert [b.step for b in batches.epoch(2, first=1)] == [8, 9]


def test_the_order_is_a_function_of_seed_and_epoch():
    assert np.array_equal(epoch_order(50, 3, 7), epoch_order(50, 3, 7))
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    rest = [b.rows for b in make().epoch(5)][1:]
    assert all(
        np.array_equal(a, b.rows) for a, b in zip(rest, make().epoch(5, first=1), strict=True)
    )


def test_without_shuffling_rows_come_as_they_are():
    rows = np.concatenate([b.rows for b in make(shuffle=False).epoch(3)])
    assert np.array_equal(rows, np.arange(10))


def test_an_order_of_one_s_own_takes_the_place_of_the_seed_s():
    batches = make(order=lambda epoch: np.roll(np.arange(10), epoch))
    assert np.concatenate([b.rows for b in batches.epoch(2)])[:3].tolist() == [8, 9, 0]


def test_weights_are_s_over_mean_s_times_b():
    s = np.array([1, 2, 3, 4, 0, 5, 6, 7, 8, 4.0])
    for b in make(s=s).epoch(0):
        assert np.allclose(b.w, s[b.rows] / (s.mean() * len(b.rows)), rtol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
def test_batch_gradients_with_a_short_last_one_are_unbiased(weighted):
    """Σ over batches of B/N times the batch's gradient is the gradient of the whole."""
    net, X, Y = regression(n=10)
    s = np.random.default_rng(1).uniform(0, 3, 10) if weighted else np.ones(10)
    engine = ReferenceEngine()
    engine.load(net, net.initial(0), EngineSettings())
    whole = next(Batches(X, Y, s, 10, 0, False).epoch(0))
    assert np.allclose(whole.w, s / s.sum(), rtol=1e-15)
    cost, grad = engine.gradient(whole)
    parts = [(len(b.rows) / 10, engine.gradient(b)) for b in Batches(X, Y, s, 4, 0, True).epoch(0)]
    assert np.allclose(sum(share * g for share, (_, g) in parts), grad, rtol=1e-12, atol=1e-15)
    assert np.isclose(sum(share * c for share, (c, _) in parts), cost, rtol=1e-13)


def test_pieces_of_many_rows_add_to_the_whole():
    n = 8192 + 5
    s = np.random.default_rng(0).uniform(0, 1, n)
    got = list(chunks(Rows(np.zeros((n, 1)), np.zeros((n, 1)), s), ReferenceEngine()))
    assert [len(b.X) for b in got] == [8192, 5]
    assert np.allclose(np.concatenate([b.w for b in got]), s / s.sum(), rtol=1e-15)
    assert np.array_equal(np.concatenate([b.rows for b in got]), np.arange(n))


# -- the split ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "fraction", "held"), [(10, 0.2, 2), (2, 0.01, 1), (2, 0.99, 1), (5, 0.5, 2)]
)
def test_a_split_leaves_rows_on_both_sides(n, fraction, held):
    kept, out = split_rows(n, fraction, seed=0)
    assert len(out) == held
    assert sorted([*kept, *out]) == list(range(n))
    assert np.all(np.diff(kept) > 0)
    assert np.all(np.diff(out) > 0)


def test_a_split_is_a_function_of_its_seed():
    splits = {tuple(split_rows(40, 0.25, seed=seed)[1]) for seed in range(5)}
    assert len(splits) == 5
    assert np.array_equal(split_rows(40, 0.25, seed=4)[1], split_rows(40, 0.25, seed=4)[1])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("counts", [[50, 30, 20], [97, 2, 1], [10, 10, 10]])
def test_a_stratified_split_keeps_the_proportions(seed, counts):
    y = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], counts))
    _, out = split_rows(len(y), 0.3, seed, classes=y)
    for label, count in enumerate(counts):
        assert abs(np.sum(y[out] == label) - 0.3 * count) < 1


def test_a_stratified_split_chooses_at_random_within_a_class():
    y = np.repeat([0, 1], 20)
    chosen = {tuple(split_rows(40, 0.25, seed, classes=y)[1]) for seed in range(5)}
    assert len(chosen) == 5


def test_stratifying_by_as_many_values_as_rows_is_quick():
    y = np.random.default_rng(0).uniform(size=200_000)
    kept, out = split_rows(len(y), 0.1, 0, classes=y)
    assert len(out) == 20_000
    assert len(kept) == 180_000


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_a_share_that_is_none_is_refused(fraction):
    with pytest.raises(InputError, match="expected a number above 0 and below 1"):
        split_rows(10, fraction, 0)


def test_one_row_cannot_be_split():
    with pytest.raises(InputError, match=r"1 row\(s\) cannot be split"):
        split_rows(1, 0.5, 0)


# -- rows made when they are asked for ----------------------------------------------------


class Counting(RowSource):
    def __init__(self, X):
        self.X, self.asked = X, 0
        self.shape, self.dtype = X.shape, X.dtype

    def __getitem__(self, rows):
        taken = self.X[rows]
        self.asked += len(taken)
        return taken


def test_rows_taken_from_a_source_are_made_when_asked_for():
    source = Counting(np.arange(20.0).reshape(10, 2))
    rows = Rows(source, np.zeros((10, 1)), np.ones(10)).take(np.array([1, 5, 9]))
    assert isinstance(rows.X, SelectedRows)
    assert len(rows.X) == 3
    assert source.asked == 0
    assert rows.X[1:].tolist() == [[10.0, 11.0], [18.0, 19.0]]
    assert source.asked == 2


@pytest.mark.parametrize("order", [np.arange(3), np.zeros(6, int), np.arange(6.0), np.arange(1, 7)])
def test_an_order_of_ones_own_names_every_row_once(order):
    X = np.zeros((6, 1))
    with pytest.raises(InputError, match="expected each of the row numbers 0 to 5 once"):
        train(Network([1, 1]), X, X, order=lambda epoch: order, epochs=1)
