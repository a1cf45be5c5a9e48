"""The JAX engine: contract, epochs, padding, precision, several devices, what is compiled when."""

import os
import subprocess
import sys

import numpy as np
import pytest

from deltarule import make_engine, train, train_many
from deltarule.engines import Batch, EngineSettings, Epoch, check_engine, started_engine
from deltarule.errors import Diverged, InputError
from deltarule.maths import Network
from deltarule.maths.dropout import mask_words, philox, philox_words
from deltarule.training import StopFlag

pytestmark = pytest.mark.jax

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'deltarule[jax]'")

# What compiles once and is used by several tests.
NET = Network([3, 5, 2], "tanh")
ALL = {
    "rule": "adamw",
    "l2": 0.5,
    "l1": 0.1,
    "total_weight": 21.0,
    "dropout": 0.25,
    "clip_norm": 0.5,
    "averaging": 0.9,
    "seed": 7,
}


def data(n=21, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 2)), rng.uniform(0.5, 2.0, n)


def epoch_of(X, Y, w, batch_size=8, order=None, rate=0.05, first_step=1):
    steps = -(-len(X if order is None else order) // batch_size)
    return Epoch(X, Y, w, order, batch_size, np.full(steps, rate), first_step)


def loaded(engine="jax", settings=None, net=NET):
    return started_engine(engine, net, net.initial(0), EngineSettings(**(settings or ALL)))


def costs_of(engine, epoch, first=0):
    return np.concatenate(list(engine.epoch(epoch, first)))


# Most of the time of the contract is compilation: without optimizations, and with the emitters of
# LLVM's code in place of those through MLIR, it is half. The other tests compile as users do, and
# so do the oracles (tests/maths/test_oracles.py), with every activation and loss.
CHEAP = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false",
    # Code that took little time to compile is kept too.
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def contract(folder, lines, devices=1):
    """Run checks of the contract in a process of its own, since JAX is set up once in each.

    Engines of different rules compile the same passes, and programs that JAX has forgotten are
    asked for again: what JAX compiled is kept in a folder.
    """
    code = "from deltarule.engines import CHECKS, Promises, check_engine\n"
    code += "from deltarule.engines.jax.engine import JaxEngine\n" + lines
    flags = f"{CHEAP['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | CHEAP | {"JAX_COMPILATION_CACHE_DIR": str(folder), "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_engine_passes_the_contract(tmp_path):
    # Every formula and rule in float64, and in float32 what is rounded or padded otherwise. All of
    # it in both is ``deltarule check --engine jax``, in minutes.
    contract(
        tmp_path,
        "class Wide(JaxEngine):\n"
        "    promises = Promises(tolerance={'float64': 64.0}, same_bits_for_epochs=False)\n"
        "check_engine(Wide)\n"
        "class Narrow(JaxEngine):\n"
        "    promises = Promises(tolerance={'float32': 64.0})\n"
        "check_engine(Narrow, checks=['shapes', 'weight_zero', 'dropout', 'step', 'update'])",
    )


@pytest.mark.slow
def test_with_eight_devices_the_engine_passes_the_contract(tmp_path):
    # The formulas and rules are those of one device; rows are split, padded and added otherwise.
    contract(
        tmp_path,
        "engine = JaxEngine()\n"
        "assert engine._where.count == 8\n"
        "others = {'gradient', 'trajectory', 'state', 'not_finite', 'inputs_unchanged'}\n"
        "check_engine(engine, checks=[check for check in CHECKS if check not in others])",
        devices=8,
    )


def test_products_of_bfloat16_keep_the_promise_of_their_eps():
    checks = ["promises", "shapes", "weight_zero", "dropout", "update"]
    assert check_engine(make_engine("jax_bfloat16"), checks=checks).passed


def test_products_of_bfloat16_are_rounded_and_parameters_are_not():
    net = Network([1, 1], [], bias=False, dtype=np.float32)
    engine = make_engine("jax_bfloat16")
    engine.load(net, np.array([1 + 2.0**-10], np.float32), EngineSettings())
    assert engine.predict(np.ones((1, 1))) == 1.0
    assert engine.theta == 1 + 2.0**-10
    engine.apply(np.array([2.0**-12]), 1.0)
    assert engine.theta == np.float32(1 + 2.0**-10 - 2.0**-12)
    with pytest.raises(InputError, match="expected a network with dtype=float32"):
        engine.load(Network([1, 1]), np.zeros(2), EngineSettings())


@pytest.mark.parametrize("order", [None, np.random.default_rng(1).permutation(21)[:19]])
def test_an_epoch_with_a_short_last_batch_is_that_of_the_reference(order):
    X, Y, w = data()
    w[3] = 0.0
    epoch = epoch_of(X, Y, w, order=order)
    ours, reference = loaded(), loaded("reference")
    for _ in range(2):
        np.testing.assert_allclose(costs_of(ours, epoch), costs_of(reference, epoch), rtol=1e-12)
    for name, value in reference.state().items():
        np.testing.assert_allclose(ours.state()[name], value, rtol=1e-10, atol=1e-14)


def test_an_epoch_is_its_steps_and_may_begin_at_any():
    X, Y, w = data()
    epoch = epoch_of(X, Y, w)
    whole, steps, parts = loaded(), loaded(), loaded()
    found = costs_of(whole, epoch)
    single = [steps.step(epoch.batch(index), 0.05) for index in range(3)]
    np.testing.assert_allclose(found, single, rtol=1e-13)
    np.testing.assert_allclose(whole.theta, steps.theta, rtol=1e-12)
    state = parts.state()
    first = next(iter(parts.epoch(epoch)))
    np.testing.assert_array_equal(first, found[: len(first)])
    rest = costs_of(parts, epoch, len(first))
    # The same bits, however the steps are grouped into calls.
    np.testing.assert_array_equal(np.concatenate((first, rest)), found)
    np.testing.assert_array_equal(parts.theta, whole.theta)
    parts.restore(state)
    assert not np.array_equal(parts.theta, whole.theta)


def test_another_number_is_data_and_compiles_nothing():
    X, Y, w = data()
    epoch = epoch_of(X, Y, w)
    engine = loaded()
    costs_of(engine, epoch)
    engine.penalty_cost()
    compiled = engine._program.steps._cache_size()
    changes = {"l2": 0.25, "l1": 0.2, "dropout": 0.5, "clip_norm": 2.0, "seed": 8}
    other, reference = loaded(settings=ALL | changes), loaded("reference", ALL | changes)
    assert other._program is engine._program
    slow = epoch_of(X, Y, w, rate=0.01, first_step=4)
    np.testing.assert_allclose(costs_of(other, slow), costs_of(reference, slow), rtol=1e-12)
    assert other._program.steps._cache_size() == compiled


def test_rows_that_were_loaded_are_not_copied_again():
    X, Y, w = data()
    engine, plain = loaded(), loaded()
    engine.load_data(X, Y, w)
    on_device = engine._data[1][0]
    rows, _ = engine.epoch_rows(epoch_of(X, Y, w, order=np.arange(21)[::-1]))
    assert rows.X is on_device
    others, _ = engine.epoch_rows(epoch_of(X.copy(), Y, w))
    assert others.X is not on_device
    costs = costs_of(engine, epoch_of(X, Y, w))
    np.testing.assert_array_equal(costs, costs_of(plain, epoch_of(X, Y, w)))


def test_a_step_that_is_not_finite_is_the_last_and_changes_nothing():
    X, Y, w = data()
    X[8:16] = 1e200
    net = Network([3, 2], [], "exp", "squared_error")
    engine = loaded(settings={"rule": "adam"}, net=net)
    taken = loaded(settings={"rule": "adam"}, net=net)
    epoch = epoch_of(X, Y, w)
    engine._pace.steps = 3
    costs = costs_of(engine, epoch)
    assert len(costs) == 2
    np.testing.assert_array_equal(np.isfinite(costs), [True, False])
    taken.step(epoch.batch(0), 0.05)
    np.testing.assert_allclose(engine.theta, taken.theta, rtol=1e-13)
    assert engine.state()["t"] == 1


def test_the_engine_stops_between_calls():
    X, Y, w = data()
    engine = loaded()
    calls = []
    engine.stop = lambda: calls.append(1) or len(calls) > 1
    assert sum(len(costs) for costs in engine.epoch(epoch_of(X, Y, w))) == 1


def test_training_equals_the_reference_s_with_validation_and_the_best_epoch():
    X, Y, _ = data(64)
    arguments = {
        "validation": 0.25,
        "epochs": 6,
        "batch_size": 8,
        "learning_rate": 0.05,
        "dropout": 0.25,
        "schedule": "cosine",
        "averaging": 0.5,
    }
    ours = train(NET, X, Y, engine="jax", **arguments)
    reference = train(NET, X, Y, engine="reference", **arguments)
    assert ours.engine == "jax"
    assert ours.best_epoch == reference.best_epoch
    np.testing.assert_allclose(ours.theta, reference.theta, rtol=1e-9, atol=1e-12)
    again = train(NET, X, Y, engine="jax", **(arguments | {"epochs": 3}))
    resumed = train(NET, X, Y, engine="jax", resume=again, **(arguments | {"schedule": "constant"}))
    assert len(resumed.history) == 6


def test_an_engine_that_was_released_says_so():
    engine = loaded()
    theta, state = engine.release(with_theta=True)
    assert theta.shape == state["theta"].shape
    with pytest.raises(InputError, match="holds no network"):
        engine.predict(np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((21, 4))}, r"X has shape \(21, 4\); expected \(rows, 3\)"),
        ({"w": np.ones(20)}, "expected as many"),
        ({"order": np.array([0, 21])}, "order names rows that are none of 0 … 20"),
        ({"rates": np.zeros(1)}, "expected 3, one for each batch"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        costs_of(loaded(), epoch_of(*data())._replace(**change))


def test_a_number_of_devices_that_is_not_there_is_refused():
    from deltarule.engines.jax.engine import JaxEngine

    for count in (0, 1000, "all"):
        with pytest.raises(InputError, match="the devices of JAX in this process"):
            JaxEngine(count)


def test_the_generator_of_masks_is_the_same_function_of_jax_arrays():
    jnp = jax.numpy
    rows = np.array([0, 5, 2**31, 2**32 - 1], np.uint32)
    key = np.array([0xFFFFFFFF, 12345], np.uint32)
    arguments = (rows, 7, key, np.uint32(2**32 - 1), 3)
    for traced in (
        jax.jit(lambda r, k, s: mask_words(jnp, r, 7, k, s, 3))(rows, key, arguments[3]),
        mask_words(np, *arguments),
    ):
        expected = philox((rows[:, None], np.arange(2)[None, :], 2**32 - 1, 3), (0xFFFFFFFF, 12345))
        np.testing.assert_array_equal(traced, expected.reshape(4, 8)[:, :7])
    words = philox_words(jnp, [jnp.zeros(1, jnp.uint32)] * 4, [jnp.zeros(1, jnp.uint32)] * 2)
    assert hex(int(words[0, 0])) == "0x6627e8d5"


def test_the_process_keeps_its_own_choice_of_types():
    X, Y, w = data()
    before = jax.config.jax_enable_x64
    engine = loaded()
    engine.gradient(Batch(X, Y, w, np.arange(21), 1))
    assert jax.config.jax_enable_x64 == before
    assert engine.theta.dtype == np.float64


MANY = {"epochs": 3, "batch_size": 8, "averaging": 0.5, "dropout": 0.25}


def test_many_networks_take_their_steps_together_and_equal_each_alone():
    X, Y, _ = data(40)
    folds = [np.arange(40) % 3 == k for k in range(3)]
    per_network = {"learning_rate": [0.01, 0.02, 0.05], "l2": [0.1, 0.2, 0.5]}
    together = train_many(
        NET, X, Y, seeds=[1, 2, 3], validation=folds, engine="jax", **per_network, **MANY
    )
    assert [result.engine for result in together] == ["jax"] * 3
    for k, result in enumerate(together):
        values = {name: value[k] for name, value in per_network.items()}
        alone = train(
            NET, X, Y, seed=k + 1, validation=folds[k], engine="reference", **values, **MANY
        )
        np.testing.assert_allclose(result.theta, alone.theta, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            result.history.column("validation_loss"), alone.history.column("validation_loss")
        )
        assert result.state.keys() == alone.state.keys()


def test_a_network_that_diverges_or_stops_early_does_not_hold_up_the_others():
    X, Y, _ = data(40)
    ended = []

    def stop_one(event):
        ended.append(event.network)
        return event.network == 1

    found = train_many(
        NET,
        X,
        Y,
        seeds=[1, 2, 3, 4],
        learning_rate=[0.01, 0.01, 1e300, 0.02],
        rule="sgd",
        engine="jax",
        callbacks=[stop_one],
        on_diverged="keep",
        epochs=3,
        batch_size=8,
    )
    assert isinstance(found[2], Diverged)
    assert [len(found[k].history) for k in (0, 1, 3)] == [3, 1, 3]
    assert ended.count(1) == 1


def test_a_stop_ends_networks_that_wait_for_others():
    X, Y, _ = data(40)
    flag = StopFlag()
    found = train_many(
        NET,
        X,
        Y,
        seeds=[1, 2],
        engine="jax",
        stop=flag,
        callbacks=[lambda event: flag.stop() if event.network == 0 else None],
        **(MANY | {"epochs": 1000}),
    )
    assert all(len(result.history) < 1000 for result in found)
