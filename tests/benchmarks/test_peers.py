"""Every peer trains the same network; what trains another is found out."""

import numpy as np
import pytest
from benchmarks.comparison import CONFIGS, PEERS, peers
from benchmarks.comparison.compare import check_same_training
from benchmarks.comparison.configs import Config, loss_of
from benchmarks.comparison.worker import MachineBusy, Training
from tests.benchmarks.helpers import TANH, TINY

from deltarule.errors import InputError, MissingCapability, UnknownName, WorkerFailed

# The libraries that a peer needs, where they are optional.
OPTIONAL = {
    "torch": "torch",
    "torch_bfloat16": "torch",
    "jax": "jax",
    "jax_bfloat16": "jax",
}
NAMES = [
    pytest.param(name, marks=pytest.mark.oracle) if name in OPTIONAL else name for name in PEERS
]


def trained(name, config, epochs=1):
    if name in OPTIONAL:
        pytest.importorskip(OPTIONAL[name], reason=f"{name} is one of the peers")
    try:
        peer = PEERS[name](config, 1, "auto")
    except MissingCapability as reason:
        pytest.skip(str(reason))
    with np.errstate(all="raise"):
        assert peer.train(epochs) > 0
    return peer


def losses(config, name, epochs=1):
    peer = trained(name, config, epochs)
    return loss_of(config, config.initial()), loss_of(config, peer.parameters())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("config", [TINY, TANH, CONFIGS["T"].first_steps(4)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_all_train_the_same_network(name, config):
    check_same_training(
        {"deltarule": losses(config, "deltarule", 3), name: losses(config, name, 3)}
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", NAMES)
def test_every_measurement_starts_from_the_same_parameters(name):
    peer = trained(name, TINY)
    first = [array.copy() for pair in peer.parameters() for array in pair]
    peer.train(2)
    between = [array.copy() for pair in peer.parameters() for array in pair]
    peer.train(1)
    again = [array for pair in peer.parameters() for array in pair]
    assert [a.shape for a in again] == [(3, 5), (5,), (5, 4), (4,), (4, 2), (2,)]
    for a, b, c in zip(first, between, again, strict=True):
        np.testing.assert_array_equal(a, c)
        assert not np.array_equal(a, b)
        assert a.dtype == np.float32


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_is(name):
    versions = trained(name, TINY).versions()
    assert all(isinstance(each, str) and each for each in versions.values())
    assert versions.get("engine", "") == (
        "reference" if name == "reference" else versions.get("engine", "")
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("what", "value"), [("LEARNING_RATE", 1.01e-3), ("BETA_1", 0.8), ("BETA_2", 0.9)]
)
def test_another_training_is_found_out(monkeypatch, what, value):
    config = CONFIGS["T"].first_steps(4)
    ours = losses(config, "deltarule")
    monkeypatch.setattr(peers, what, value)
    with pytest.raises(WorkerFailed, match="NumPy has the loss"):
        check_same_training({"deltarule": ours, "numpy": losses(config, "numpy")})


def test_products_of_bfloat16_may_differ_in_more_digits_and_not_in_all():
    check_same_training({"deltarule": (2.0, 1.0), "bfloat16": (2.0, 1.04)})
    with pytest.raises(WorkerFailed, match="deltarule, bfloat16 has the loss"):
        check_same_training({"deltarule": (2.0, 1.0), "bfloat16": (2.0, 1.06)})
    with pytest.raises(WorkerFailed, match="NumPy has the loss"):
        check_same_training({"deltarule": (2.0, 1.0), "numpy": (2.0, 1.04)})


def test_a_loss_that_is_no_number_is_found_out():
    with pytest.raises(WorkerFailed):
        check_same_training({"deltarule": (2.0, 1.0), "numpy": (2.0, float("nan"))})


class Clock:
    """A peer whose epochs take the seconds they are told to."""

    sets_up = True
    config = TINY

    def __init__(self, seconds):
        self.seconds, self.asked = seconds, []

    def train(self, epochs):
        self.asked.append(epochs)
        return self.seconds(epochs)

    def parameters(self):
        return TINY.initial()


def test_an_epoch_that_costs_something_to_begin_is_timed_at_the_margin():
    clock = Clock(lambda epochs: 5.0 + 0.001 * epochs)
    training = Training(lambda config: clock, TINY, seconds=0.25)
    assert 125 <= training.epochs <= 256
    assert training.measure() == pytest.approx(0.001 / TINY.steps)


def test_a_measurement_of_nothing_is_taken_again_and_then_given_up():
    times = iter([1.0, 1.0, 2.0, 1.0, 1.0, 3.0])  # probe, warm, then two pairs
    clock = Clock(lambda epochs: next(times))
    training = Training(lambda config: clock, TINY, seconds=0.0)
    # One epoch more than the single one, then two: what stood still is measured at greater length.
    assert training.measure() == pytest.approx(2.0 / 2 / TINY.steps)
    assert clock.asked == [1, 1, 1, 2, 1, 3]
    stuck = Training(lambda config: Clock(lambda epochs: 1.0), TINY, seconds=0.0)
    with pytest.raises(MachineBusy, match="too busy"):
        stuck.measure()


def test_configs_are_those_of_the_published_table():
    assert {name: (c.shape, c.batch_rows, c.rows) for name, c in CONFIGS.items()} == {
        "T": ("4-32-32-1", 32, 4096),
        "S": ("30-64-64-2", 32, 8192),
        "M": ("784-128-64-10", 128, 16384),
        "L": ("784-512-512-10", 256, 16384),
        "X": ("1024-2048-2048-1000", 512, 4096),
        "tanh": ("4-32-16-4", 10_000, 10_000),
    }


def test_operations_counted_product_by_product():
    # Rows 8; layers 3→5, 5→4, 4→2; the first hands no delta down.
    assert TINY.flops == 2 * 8 * (2 * 15 + 3 * 20 + 3 * 8)
    assert TINY.n_parameters == 20 + 24 + 10


def test_a_config_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="expected a multiple"):
        Config("odd", (2, 1), batch_rows=3, rows=8)
    with pytest.raises(InputError, match="expected 'relu' or 'tanh'"):
        Config("odd", (2, 1), batch_rows=2, rows=8, activation="gelu")


def test_a_name_that_is_not_known_is_refused_with_those_that_are():
    from benchmarks.comparison import find_configs

    for names in (["T", "Q"], []):
        with pytest.raises(UnknownName, match="known: T, S, M, L, X, tanh"):
            find_configs(names)
