"""The compiled engine: the contract, a user's own formulas, epochs, memory, dropout masks."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.processes import in_a_process

from deltarule.engines import (
    Batch,
    Engine,
    EngineSettings,
    Epoch,
    ReferenceEngine,
    check_engine,
    make_engine,
)
from deltarule.engines.compiled import CompiledEngine, entry_code
from deltarule.errors import InputError
from deltarule.maths import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Loss,
    Network,
    register_activation,
    register_loss,
)
from deltarule.optimizers import RULES, Rule
from deltarule.training import train

DTYPES = ["float32", "float64"]


def rows(net, n=37, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, net.n_inputs)).astype(net.dtype)
    Y = rng.normal(size=(n, net.n_outputs)).astype(net.dtype)
    return X, Y


def whole(net, n=37, step=1, **changes):
    X, Y = rows(net, n)
    batch = Batch(X, Y, np.full(n, 1 / n, net.dtype), np.arange(n), step)
    return batch._replace(**changes)


def loaded(net, theta=None, **settings):
    engine = CompiledEngine()
    engine.load(net, net.initial(0) if theta is None else theta, EngineSettings(**settings))
    return engine


# -- the contract and the registries -------------------------------------------------------


@pytest.mark.slow
def test_it_passes_every_check_in_both_dtypes():
    report = check_engine(CompiledEngine)
    assert report.passed
    memory = [r for r in report.results if r.check == "memory"]
    assert all(r.comparisons for r in memory)
    assert {r.dtype for r in report.results} == set(DTYPES)


@pytest.mark.slow
def test_it_passes_the_checks_on_a_processor_without_avx():
    checks = ["shapes", "dropout", "step", "weight_zero"]
    code = (
        "from deltarule.engines import check_engine, make_engine\n"
        f"print(check_engine(make_engine('compiled'), checks={checks}).passed)"
    )
    assert in_a_process(code, DELTARULE_CPU="generic") == ["True"]


@pytest.mark.slow
def test_it_passes_the_checks_with_the_tiles_of_a_processor_with_fewer_registers():
    """Tiles of three rows, as with AVX2, but with the instructions of this processor."""
    code = """
from deltarule.engines import check_engine, make_engine
from deltarule.engines.compiled import gemm_tiles, target, workspace
for module in (gemm_tiles, workspace, target):
    module.tile_heights = lambda: (3, 2, 1)
checks = ["shapes", "step", "weight_zero", "input_gradient", "sample_gradients"]
print(check_engine(make_engine("compiled"), checks=checks).passed)
"""
    assert in_a_process(code) == ["True"]


def cube(xp):
    return (lambda z: z * z * z), (lambda z, a: 3 * z * z)


def fourth_power(xp):
    def terms(a, y):
        r = a - y
        return r * r * r * r, 4 * r * r * r

    return terms


def signsgd(xp):
    def update(theta, g, slots, step):
        return theta - step.learning_rate * xp.sign(g), {}

    return update


def never(module):
    raise AssertionError(f"{module} was compiled again")


@pytest.mark.parametrize(
    ("registry", "record", "check"),
    [
        (ACTIVATIONS, Activation("cube", cube), "gradient"),
        (LOSSES, Loss("fourth_power", fourth_power), "gradient"),
        (RULES, Rule("signsgd", signsgd), "trajectory"),
    ],
)
def test_what_a_user_registers_is_compiled_without_recompiling_the_driver(
    registry, record, check, monkeypatch
):
    loaded(Network([2, 2, 1])).step(whole(Network([2, 2, 1])), 0.1)
    monkeypatch.setattr(entry_code, "_compiled", never)
    registry.register(record)
    try:
        assert check_engine(CompiledEngine, checks=[check]).passed
    finally:
        registry.unregister(record.name)


def test_parameters_other_than_the_registered_ones_are_used():
    net = Network([3, 4, 1], activation=ACTIVATIONS.get("leaky_relu", alpha=0.3))
    batch = whole(net)
    reference = ReferenceEngine()
    reference.load(net, net.initial(0), EngineSettings())
    assert loaded(net).gradient(batch)[1] == pytest.approx(reference.gradient(batch)[1], rel=1e-12)


def branching(xp):
    return (lambda z: z if z > 0 else 0 * z), (lambda z, a: xp.where(z > 0, 1, 0))


def powers(xp):
    def update(theta, g, slots, step):
        return theta - (g if step.t > 3 else 2 * g), {}

    return update


def test_a_formula_that_branches_is_refused_with_advice():
    with pytest.raises(InputError, match=r"xp\.where"):
        loaded(Network([1, 1, 1], activation=Activation("branching", branching)))
    with pytest.raises(InputError, match=r"xp\.where"):
        loaded(Network([1, 1, 1]), rule=Rule("powers", powers))


@pytest.mark.parametrize("name", RULES.names())
def test_a_rule_s_state_goes_to_the_reference_and_back(name):
    net = Network([3, 4, 2], activation="tanh", dtype=np.float32)
    engine, reference = loaded(net, rule=name), ReferenceEngine()
    reference.load(net, net.initial(0), EngineSettings(rule=name))
    engine.step(whole(net), 0.01)
    reference.restore(engine.state())
    engine.restore(reference.state())
    costs = [each.step(whole(net, step=2), 0.01) for each in (engine, reference)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-5)


# -- sizes beyond those of the contract ------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("widths", "n"), [([300, 900, 1100, 70], 200), ([70, 700, 7], 130)])
def test_large_layers_with_sums_that_are_cut_agree_with_the_reference(widths, n, dtype):
    net = Network(widths, activation="tanh", dtype=dtype)
    batch, reference = whole(net, n), ReferenceEngine()
    reference.load(net, net.initial(0), EngineSettings())
    engine = loaded(net)
    cost, grad = engine.gradient(batch)
    expected, its = reference.gradient(batch)
    eps = float(np.finfo(dtype).eps)
    assert cost == pytest.approx(expected, rel=64 * eps)
    for block in net.blocks:
        gap = np.abs(block.of(grad) - block.of(its)).max()
        assert gap <= 64 * eps * n * np.abs(block.of(its)).max()
    assert engine.predict(batch.X) == pytest.approx(reference.predict(batch.X), abs=1e3 * eps)


def test_a_row_is_predicted_with_the_same_bits_alone_and_among_others():
    net = Network([5, 33, 17, 3], "gelu", "softmax", "cross_entropy", dtype=np.float32)
    X = rows(net, 700)[0]
    engine = loaded(net)
    together = engine.predict(X)
    for row in (0, 15, 255, 256, 699):
        assert np.array_equal(engine.predict(X[row : row + 1])[0], together[row])


def test_an_empty_prediction_and_a_batch_without_rows():
    net = Network([3, 4, 2])
    engine = loaded(net)
    assert engine.predict(np.zeros((0, 3))).shape == (0, 2)
    cost, grad = engine.gradient(whole(net, 1, w=np.zeros(1)))
    assert cost == 0
    assert not grad.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((37, 2))}, r"X has shape \(37, 2\); expected \(rows, 3\)"),
        ({"Y": np.zeros((37, 3))}, r"Y has shape \(37, 3\); expected \(rows, 2\)"),
        ({"w": np.zeros(36)}, "X has 37 rows, Y 37 and w shape"),
        ({"rows": np.arange(36)}, r"rows has shape \(36,\); expected \(37,\)"),
    ],
)
def test_arrays_of_wrong_shape_are_refused_before_they_are_read(change, message):
    net = Network([3, 4, 2])
    with pytest.raises(InputError, match=message):
        loaded(net).gradient(whole(net, **change))


def test_a_gradient_of_another_shape_and_a_missing_cost_are_refused():
    engine = loaded(Network([3, 4, 2]))
    with pytest.raises(InputError, match="grad has shape"):
        engine.apply(np.zeros(3), 0.1)
    engine = loaded(Network([3, 4, 2]), rule="irprop+")
    with pytest.raises(InputError, match="uses the cost"):
        engine.apply(np.zeros(engine.net.n_parameters), 0.1)


# -- workspace, memory, the processor's mode ---------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 7, 32, 129])
def test_nan_in_the_workspace_changes_no_result(n, dtype):
    for output, loss in (("identity", "huber"), ("softmax", "cross_entropy")):
        net = Network([7, 19, 5, 3], "gelu", output, loss, dtype=dtype)
        engine = loaded(net, dropout=0.3)
        batch = whole(net, n)
        if loss == "cross_entropy":
            batch = batch._replace(Y=net.loss.prepare(np.arange(n) % 3, n, 3, dtype))
        engine.predict(batch.X)
        outcomes = []
        for value in (0.0, np.nan):
            engine._plan.workspace[:] = value
            cost, grad = engine.gradient(batch)
            engine._plan.workspace[:] = value
            alone = engine.cost(batch)
            engine._plan.workspace[:] = value
            outcomes.append([cost, alone, *grad, *engine.predict(batch.X).ravel()])
        assert np.isfinite(outcomes[0]).all()
        assert np.array_equal(*outcomes)


def test_denormal_numbers_are_flushed_inside_compiled_code_only():
    net = Network([3, 4, 2], dtype=np.float32)
    loaded(net).step(whole(net), 0.1)
    tiny = np.full(32, 1e-40, np.float32)
    assert (tiny * np.float32(0.5) > 0).all()


# -- epochs -----------------------------------------------------------------------------------

EVERYTHING = {
    "rule": "adamw",
    "l2": 3.0,
    "l1": 1.0,
    "total_weight": 22.0,
    "clip_norm": 0.05,
    "averaging": 0.6,
    "dropout": 0.2,
    "seed": 3,
}


def costs_of(engine, epoch, first=0):
    return np.concatenate(list(engine.epoch(epoch, first)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("settings", [{"rule": "sgd"}, {"rule": "irprop+"}, EVERYTHING])
@pytest.mark.parametrize("shuffled", [True, False])
def test_an_epoch_has_the_bits_of_its_single_steps(settings, shuffled, dtype):
    net = Network([6, 9, 8, 3], "tanh", dtype=dtype)
    X, Y = rows(net, 70)
    rng = np.random.default_rng(1)
    share = rng.uniform(0.5, 1.5, 70).astype(dtype)
    share[::7] = 0
    order = rng.permutation(70) if shuffled else np.arange(70)
    rates = 0.01 * (1 + np.arange(5) % 3)
    engines = [loaded(net, **settings) for _ in range(2)]
    for epoch in range(3):
        first = 1 + 5 * epoch
        given = order if shuffled else None
        planned = Epoch(X, Y, share, given, 16, rates, first)
        # The base class's epoch takes single steps.
        one_by_one = np.concatenate(list(Engine.epoch(engines[1], planned)))
        assert np.array_equal(costs_of(engines[0], planned), one_by_one)
    states = [engine.state() for engine in engines]
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_an_epoch_can_be_continued_from_the_middle():
    net = Network([6, 9, 3], "tanh", dtype=np.float32)
    X, Y = rows(net, 64)
    planned = Epoch(X, Y, np.ones(64, np.float32), None, 8, np.full(8, 0.01), 1)
    engines = [loaded(net, rule="adam") for _ in range(2)]
    whole_costs = costs_of(engines[0], planned)
    costs = next(engines[1].epoch(planned))
    assert 0 < len(costs) < 8
    rest = costs_of(engines[1], planned, len(costs))
    assert np.array_equal([*costs, *rest], whole_costs)
    assert np.array_equal(engines[0].theta, engines[1].theta)


def test_during_an_epoch_the_engine_may_be_used_for_other_rows():
    net = Network([6, 9, 3], "tanh", dtype=np.float32)
    X, Y = rows(net, 64)
    planned = Epoch(X, Y, np.ones(64, np.float32), None, 8, np.full(8, 0.01), 1)
    engines = [loaded(net, rule="adam") for _ in range(2)]
    costs = []
    for some in engines[0].epoch(planned):
        costs += list(some)
        engines[0].cost(whole(net, 300))
        engines[0].predict(X[:5])
    assert np.array_equal(costs, costs_of(engines[1], planned))


def test_an_epoch_takes_rows_that_are_computed_when_indexed():
    class Made:
        shape = (64, 6)

        def __getitem__(self, rows):
            return X[rows]

    net = Network([6, 9, 3], "tanh", dtype=np.float32)
    X, Y = rows(net, 64)
    planned = Epoch(X, Y, np.ones(64, np.float32), np.arange(64), 8, np.full(8, 0.01), 1)
    engines = [loaded(net, rule="adam") for _ in range(2)]
    made = costs_of(engines[0], planned._replace(X=Made()))
    assert np.array_equal(made, costs_of(engines[1], planned))


def test_an_epoch_stops_before_the_step_that_is_not_finite():
    net = Network([2, 3, 1], "exp", dtype=np.float32)
    X, Y = rows(net, 40)
    X[25] = 1e4 * np.sign(net.unpack(net.initial(0))[0][1][0])
    planned = Epoch(X, Y, np.ones(40, np.float32), None, 8, np.full(5, 0.001), 1)
    engine, other = (loaded(net, rule="adam", averaging=0.5) for _ in range(2))
    costs = costs_of(engine, planned)
    assert len(costs) == 4
    assert np.isfinite(costs[:3]).all()
    assert not np.isfinite(costs[3])
    costs_of(other, planned._replace(X=X[:24], Y=Y[:24], w=planned.w[:24]))
    assert np.array_equal(engine.theta, other.theta)
    assert engine.state()["t"] == 3


def test_an_order_with_numbers_that_are_no_rows_is_refused():
    net = Network([2, 3, 1])
    X, Y = rows(net, 8)
    planned = Epoch(X, Y, np.ones(8), None, 4, np.ones(2), 1)
    for order in ([0, 8], [-1]):
        with pytest.raises(InputError, match="none of 0 … 7"):
            costs_of(loaded(net), planned._replace(order=np.array(order)))
    with pytest.raises(InputError, match="rates has 1 entries; expected 2"):
        costs_of(loaded(net), planned._replace(rates=np.ones(1)))


def test_an_engine_that_holds_no_network_reports_it():
    with pytest.raises(InputError, match="holds no network: it is not loaded"):
        CompiledEngine().predict(np.zeros((1, 1)))
    seen = []
    train(
        Network([1, 1]),
        [[1.0]],
        [[1.0]],
        epochs=1,
        engine="compiled",
        callbacks=[lambda e: seen.append(e.engine)],
    )
    with pytest.raises(InputError, match="handed over what it held"):
        seen[0].predict(np.zeros((1, 1)))
    mine = CompiledEngine()
    result = train(Network([1, 1]), [[1.0]], [[1.0]], epochs=1, engine=mine)
    assert mine.predict(np.ones((1, 1))) == result.theta.sum()


# -- making an engine -------------------------------------------------------------------------


def test_it_is_made_by_name_and_imported_only_then():
    assert type(make_engine("compiled")) is CompiledEngine
    code = "import sys, deltarule.engines; print('numba' in sys.modules)"
    assert in_a_process(code) == ["False"]


def test_without_numba_the_message_has_advice():
    code = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None
from deltarule.engines import make_engine
from deltarule.errors import MissingDependency
try:
    make_engine("compiled")
except MissingDependency as error:
    print("engine='reference'" in str(error), "install numba" in str(error))
"""
    assert in_a_process(code) == ["True", "True"]


def test_formulas_registered_later_can_be_compiled():
    register_activation(Activation("cube", cube))
    register_loss(Loss("fourth_power", fourth_power))
    try:
        net = Network([2, 3, 1], "cube", "identity", "fourth_power", dtype=np.float32)
        assert np.isfinite(loaded(net).step(whole(net), 0.01))
    finally:
        ACTIVATIONS.unregister("cube")
        LOSSES.unregister("fourth_power")


@pytest.mark.parametrize("n", [33, 1500, 9000])
def test_dropout_masks_do_not_depend_on_how_a_batch_is_divided(n):
    """The row numbers determine the masks, in batches of many blocks and parts too."""
    net = Network([5, 12, 2], activation="tanh")
    rng = np.random.default_rng(n)
    X, Y, w = rng.normal(size=(n, 5)), rng.normal(size=(n, 2)), rng.uniform(size=n) / n
    w[::7] = 0
    batch = Batch(X, Y, w, rng.permutation(n) + 10, 3)
    found = []
    for name in ("reference", "compiled"):
        engine = make_engine(name)
        engine.load(net, net.initial(0), EngineSettings(dropout=0.4))
        rows = (engine.input_gradient(batch), engine.sample_gradients(batch))
        cost, grad = engine.gradient(batch)
        found.append([*rows, grad, cost, engine.step(batch, 0.1), engine.theta])
    for right, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-9, atol=1e-12)
