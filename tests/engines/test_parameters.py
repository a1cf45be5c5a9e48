"""Parameters are data of a kernel: a search over values of a parameter compiles once."""

import math

import numpy as np
import pytest

pytest.importorskip("numba")

from deltarule import train, train_many
from deltarule.engines import Batch, EngineSettings, make_engine
from deltarule.engines.compiled import (
    formula_kernels,
    kernel_cache,
    linker,
    predictor,
    update_kernels,
)
from deltarule.engines.compiled.formula_kernels import (
    activation_kernel,
    loss_kernel,
    mixing_kernel,
)
from deltarule.engines.compiled.update_kernels import update_kernel
from deltarule.errors import InputError
from deltarule.maths import ACTIVATIONS, LOSSES, Activation, Loss, Network, forward
from deltarule.optimizers import RULES, Rule, Slot

MANY = 200


@pytest.fixture
def compilations(tmp_path, monkeypatch):
    """A function that counts kernels compiled, and files written, since the test began."""
    made = []
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path))
    monkeypatch.setattr(linker, "_LINKED", {})
    monkeypatch.setattr(linker, "_LIBRARIES", {})
    made_linker = linker.new_linker()
    monkeypatch.setattr(linker, "_linker", lambda: made_linker)
    compile_it = linker.compile_module

    def counted(text):
        made.append(text)
        return compile_it(text)

    monkeypatch.setattr(linker, "compile_module", counted)
    kernels = (activation_kernel, mixing_kernel, loss_kernel, update_kernel, predictor._kernel)
    for kernel in kernels:
        kernel.cache_clear()
    yield lambda: (len(made), len(list(tmp_path.rglob("*.kernels"))))
    for kernel in kernels:  # their addresses are of an execution engine that is freed
        kernel.cache_clear()


def values_near(record, name):
    """Many valid values of a parameter, of the type of its default."""
    default = record.settings[name]
    if isinstance(default, tuple):
        return [tuple(np.linspace(0.1, 0.9, 3) * share) for share in np.linspace(0.3, 1.0, MANY)]
    if default == 0:
        return np.linspace(0.0, 0.9, MANY).tolist()
    # Upwards or downwards from the default, whichever is valid; round numbers among them.
    for ends in ((0.5, 1.0), (1.0, 2.0)):
        values = (default * np.linspace(*ends, MANY)).tolist()
        try:
            for value in values:
                record.with_parameters(**{name: value})
        except InputError:
            continue
        return values
    raise AssertionError(f"no range for {name} of {record}")


def numbers_of(registry):
    return [
        pytest.param(record, name, id=f"{record.name}-{name}")
        for record in registry
        for name, value in record.parameters
        if not isinstance(value, bool)
    ]


def kernels_of(record, dtype):
    if isinstance(record, Rule):
        update_kernel(record, 0.9, True, dtype)
    elif isinstance(record, Loss):
        for output in ACTIVATIONS:
            if record.accepts(output):
                loss_kernel(record, output, dtype)
                break
    else:
        kernel = activation_kernel if record.elementwise else mixing_kernel
        kernel(record, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("record", "name"), [*numbers_of(RULES), *numbers_of(LOSSES), *numbers_of(ACTIVATIONS)]
)
def test_all_values_of_a_parameter_share_one_kernel(record, name, dtype, compilations):
    values = values_near(record, name)
    assert len(set(values)) == MANY
    for value in values:
        kernels_of(record.with_parameters(**{name: value}), dtype)
    assert compilations() == (1, 1)


def test_all_decays_of_an_average_share_one_kernel(compilations):
    for decay in np.linspace(0, 0.999, MANY).tolist():
        update_kernel(RULES.get("sgd"), decay, False, "float32")
    assert compilations() == (1, 1)


# -- a user's own formulas --------------------------------------------------------------------


def bumpy(xp, alpha, beta, count, shape):
    """Uses its parameters in all possible ways: by Python's mathematics, and for a choice."""
    width = math.sqrt(alpha) + float(np.log1p(beta))
    if shape == "wide":
        width = 2 * width

    def value(z):
        return xp.tanh(width * z) + 2 * z + alpha * z + max(beta, 0.25) * z**count

    def slope(z, a):
        t = xp.tanh(width * z)
        rest = 2 + alpha + max(beta, 0.25) * count * (z if count == 2 else z * z)
        return width * (1 - t * t) + rest

    return value, slope


BUMPY = Activation("bumpy", bumpy, {"alpha": 2.0, "beta": 1, "count": 2, "shape": "wide"})


def lopsided(xp, tau, scale):
    def from_output(a, y):
        r = a - y
        return scale * xp.where(r > 0, tau * r * r, r * r), 2 * scale * r * xp.where(r > 0, tau, 1)

    return from_output


LOPSIDED = Loss("lopsided", lopsided, {"tau": 0.5, "scale": 2})


def drifting(xp, pull, power, memory):
    root = math.exp(-pull)

    def update(theta, g, slots, step):
        v = memory**step.t * g + root * slots["v"]
        size = xp.sqrt(v * v + 1e-3) ** power
        return theta - step.learning_rate * v / (size + pull), {"v": v}

    return update


DRIFTING = Rule("drifting", drifting, {"pull": 0.5, "power": 2, "memory": 0.9}, slots=(Slot("v"),))


@pytest.mark.parametrize(
    ("record", "name"),
    [(BUMPY, "alpha"), (BUMPY, "beta"), (LOPSIDED, "tau"), (LOPSIDED, "scale"), (DRIFTING, "pull"),
     (DRIFTING, "memory")],
)  # fmt: skip
def test_a_user_s_own_formulas_compile_once(record, name, compilations):
    values = [0.5, 1.0, 2.0, 1, 2, 3, np.float32(0.75), *np.linspace(0.3, 0.99, MANY)]
    for value in values:
        kernels_of(record.with_parameters(**{name: value}), "float64")
    assert compilations() == (1, 1)


def test_parameters_that_change_the_operations_have_a_kernel_for_each_value(compilations):
    for count, shape in ((2, "wide"), (3, "wide"), (2, "narrow"), (3, "narrow")):
        for alpha in (0.5, 2.0, 7.0):
            changed = BUMPY.with_parameters(count=count, shape=shape, alpha=alpha)
            kernels_of(changed, "float64")
    # The two shapes differ by a factor 2 of a number, not in their operations.
    assert compilations() == (2, 2)
    for levels in ([0.5], [0.1, 0.9], [0.2, 0.7]):
        loss = LOSSES.get("quantile", levels=levels)
        loss_kernel(loss, ACTIVATIONS.get("identity"), "float64")
    assert compilations() == (4, 4)


def trajectory(name, net, settings):
    engine = make_engine(name)
    engine.load(net, net.initial(0), EngineSettings(**settings))
    rng = np.random.default_rng(3)
    X = rng.normal(size=(37, net.n_inputs)).astype(net.dtype)
    Y = rng.uniform(0.1, 0.9, size=(37, net.n_outputs)).astype(net.dtype)
    if net.output_activation.name == "softmax":
        Y = np.eye(net.n_outputs, dtype=net.dtype)[rng.integers(net.n_outputs, size=37)]
    batch = Batch(X, Y, np.full(37, 1 / 37, net.dtype), np.arange(37), 1)
    costs = [engine.step(batch._replace(step=t), 0.01) for t in range(1, 6)]
    return [np.array(costs), engine.theta, engine.averaged_theta, engine.predict(X)]


def agree(net, **settings):
    got, right = (trajectory(name, net, settings) for name in ("compiled", "reference"))
    for a, b in zip(got, right, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("record", "name"), numbers_of(RULES))
def test_a_rule_computes_with_the_values_of_its_parameters(record, name):
    for value in values_near(record, name)[::66]:
        agree(Network([3, 5, 2]), rule=record.with_parameters(**{name: value}), averaging=0.8)


@pytest.mark.parametrize(("record", "name"), numbers_of(ACTIVATIONS))
def test_an_activation_computes_with_the_values_of_its_parameters(record, name):
    for value in values_near(record, name)[::66]:
        g = record.with_parameters(**{name: value})
        agree(Network([3, 5, 4, 2], activation=g, output_activation=g))


@pytest.mark.parametrize(("record", "name"), numbers_of(LOSSES))
def test_a_loss_computes_with_the_values_of_its_parameters(record, name):
    for value in values_near(record, name)[::66]:
        loss = record.with_parameters(**{name: value})
        for output in ("softmax", "logistic", "identity", "elu"):
            if loss.accepts(ACTIVATIONS.get(output)):
                agree(Network([3, 5, 3], loss=loss, output_activation=output))


@pytest.mark.parametrize("averaging", [0.0, 0.3, 0.999, 1.0])
def test_an_average_computes_with_its_decay(averaging):
    agree(Network([3, 5, 2]), rule="adam", averaging=averaging)


def test_a_user_s_own_formulas_compute_with_the_values_of_their_parameters():
    for alpha, beta, count in ((0.3, 1, 2), (2.0, 0.1, 3), (2, 2.0, 2)):
        g = BUMPY.with_parameters(alpha=alpha, beta=beta, count=count)
        rule = DRIFTING.with_parameters(pull=alpha / 3, power=count - 1, memory=beta / 3)
        loss = LOSSES.get("huber", kappa=alpha)
        agree(Network([3, 5, 2], activation=g, loss=loss), rule=rule)
        agree(Network([3, 2], loss=LOPSIDED.with_parameters(tau=alpha, scale=count)))


def test_equal_values_of_different_parameters_are_not_merged(compilations):
    """Also with β₁ = β₂, or α equal to a constant of the formula, there is one kernel."""
    for beta1, beta2 in ((0.9, 0.999), (0.5, 0.5), (0.0, 0.0), (0.25, 0.75)):
        update_kernel(RULES.get("adam", beta1=beta1, beta2=beta2), None, False, "float64")
    for alpha, scale in ((1.0, 1.0), (2.0, 2.0), (0.5, 1.0), (1, 0)):
        activation_kernel(ACTIVATIONS.get("selu", alpha=alpha, scale=scale), "float64")
    assert compilations() == (2, 2)


def test_predictors_and_many_networks_compile_once(compilations):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))

    def use(alpha):
        net = Network([3, 4, 1], activation={"name": "leaky_relu", "alpha": alpha})
        rule = {"name": "momentum", "momentum": alpha}
        train_many(net, X, X[:, 0], seeds=range(2), epochs=1, rule=rule, engine="compiled")
        theta = net.initial(0)
        found = predictor.CompiledPredictor(net, theta, "compiled")
        np.testing.assert_allclose(found(X), forward(net, theta, X).A[-1], rtol=1e-12, atol=1e-14)

    use(0.01)
    before = compilations()
    for alpha in np.linspace(0.02, 0.9, 40).tolist():
        use(alpha)
    assert compilations() == before


def test_all_numbers_of_a_training_share_its_kernels(compilations):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 3)), rng.integers(0, 2, size=30)

    def use(value):
        train(
            Network(
                [3, 4, 1],
                activation={"name": "leaky_relu", "alpha": value},
                output_activation="logistic",
                loss={"name": "log_loss", "smoothing": value / 10},
            ),
            X,
            Y,
            epochs=2,
            rule={"name": "nesterov", "momentum": value},
            learning_rate=value,
            schedule={"name": "exponential", "gamma": 1 - value / 10},
            l2=value,
            l1=value / 2,
            dropout=value / 3,
            clip_norm=value,
            averaging=1 - value / 4,
            batch_size=round(20 * value),
            seed=round(100 * value),
            engine="compiled",
        )

    use(0.1)
    before = compilations()
    assert before[0] > 0
    for value in (0.2, 0.35, 0.7):
        use(value)
    assert compilations() == before


def test_the_number_of_libraries_does_not_grow_with_the_values(compilations):
    before = len(linker._LIBRARIES)
    for kappa in np.linspace(0.1, 3, 600).tolist():
        loss_kernel(LOSSES.get("huber", kappa=kappa), ACTIVATIONS.get("identity"), "float64")
    assert len(linker._LIBRARIES) == before + 1
    assert formula_kernels.loss_kernel.cache_info().currsize <= 256
    assert update_kernels.update_kernel.cache_info().maxsize == 256
