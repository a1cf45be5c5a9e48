"""The door of the engines: registration, capabilities that are lacking, promises, snapshots."""

import numpy as np
import pytest

from deltarule import train
from deltarule.engines import (
    Batch,
    EngineSettings,
    HostSnapshot,
    Promises,
    ReferenceEngine,
    Snapshot,
    check_engine,
    engine_name,
    make_engine,
    register_engine,
    registry,
    started_engine,
    unregister_engine,
)
from deltarule.errors import (
    ContractViolation,
    InputError,
    MissingCapability,
    MissingDependency,
    UnknownName,
)
from deltarule.maths import Network


class Lacking(ReferenceEngine):
    """The reference engine without ∂C_i/∂θ."""

    name = "lacking"
    lacks = {"sample_gradients": "a device has no room for them"}  # noqa: RUF012

    def sample_gradients(self, batch):
        raise self._missing("sample_gradients")


@pytest.fixture
def registered():
    register_engine("lacking", Lacking)
    yield "lacking"
    unregister_engine("lacking")


def test_a_registered_engine_is_known_by_its_name_everywhere(registered):
    X = np.linspace(-1, 1, 8)[:, None]
    assert engine_name(registered) == "lacking"
    assert train(Network([1, 2, 1]), X, X, epochs=1, engine=registered).engine == "lacking"
    unregister_engine(registered)
    with pytest.raises(UnknownName, match="known: auto, reference, checked, compiled, jax"):
        make_engine(registered)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("reference", Lacking, "registered already; choose another name"),
        ("auto", Lacking, "expected a text other than 'auto'"),
        (3, Lacking, "expected a text"),
        ("mine", "Lacking", "expected a class or a function"),
    ],
)
def test_a_registration_that_cannot_be_used_is_refused(name, make, message):
    with pytest.raises(InputError, match=message):
        register_engine(name, make)


def test_an_engine_says_what_it_lacks_and_passes_the_contract_without_it():
    engine = started_engine(Lacking(), Network([1, 1]), np.zeros(2), EngineSettings())
    one = np.ones((1, 1))
    with pytest.raises(MissingCapability, match="has no sample_gradients"):
        engine.sample_gradients(Batch(one, one, np.ones(1), np.arange(1), 1))
    checks = ["input_gradient", "sample_gradients"]
    assert check_engine(Lacking, checks=checks).passed


def test_a_capability_that_is_missing_undeclared_fails_the_contract():
    class Silent(Lacking):
        lacks = {}  # noqa: RUF012

    with pytest.raises(ContractViolation, match="sample_gradients"):
        check_engine(Silent, checks=["sample_gradients"])


def test_a_capability_that_is_declared_missing_and_is_there_fails_the_contract():
    class Modest(ReferenceEngine):
        lacks = {"input_gradient": "no reason"}  # noqa: RUF012

    with pytest.raises(ContractViolation, match="input_gradient"):
        check_engine(Modest, checks=["input_gradient"])


def test_only_capabilities_may_be_lacking():
    with pytest.raises(InputError, match="lacks has 'gradient'; expected names of input_gradient"):

        class Useless(ReferenceEngine):
            lacks = {"gradient": "too hard"}  # noqa: RUF012


def test_promises_are_those_of_the_device():
    class Elsewhere(ReferenceEngine):
        device = "tpu"
        promises = Promises(
            tolerance={"float32": 64.0, "float64": 64.0}, by_device={"tpu": {"float32": 64.0}}
        )

    report = check_engine(Elsewhere, checks=["promises", "permutation"])
    assert {result.dtype for result in report.results} == {"float32"}


def test_a_coarser_eps_allows_errors_of_passes_but_not_of_updates():
    class Coarse(ReferenceEngine):
        promises = Promises(tolerance={"float32": 16.0}, eps={"float32": 2.0**-7})
        wrong = 1.0

        def gradient(self, batch):
            cost, grad = super().gradient(batch)
            return cost, grad * (1 + 2.0**-7)

        def apply(self, grad, learning_rate, cost=None):
            super().apply(grad, learning_rate * self.wrong, cost)

    class CoarseUpdate(Coarse):
        wrong = 1 + 2.0**-7

    assert check_engine(Coarse, checks=["shapes", "dropout", "update", "trajectory"]).passed
    with pytest.raises(ContractViolation, match="update"):
        check_engine(CoarseUpdate, checks=["update"])


@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("averaging", [None, 0.5])
def test_a_snapshot_keeps_the_parameters_and_may_use_memory_again(engine, averaging):
    net = Network([1, 1])
    loaded = started_engine(engine, net, np.array([1.0, 2.0]), EngineSettings(averaging=averaging))
    first = loaded.snapshot()
    loaded.apply(np.ones(2), 0.5)
    np.testing.assert_array_equal(first.array(), [1.0, 2.0])
    array = first.array()
    again = loaded.snapshot(first)
    assert again.array() is array
    np.testing.assert_array_equal(array, [0.5, 1.5])


def test_training_gives_the_rows_once_and_takes_snapshots_of_the_best_epochs():
    given, taken = [], []

    class Handle(Snapshot):
        def __init__(self, theta):
            self.theta, self.asked = theta, 0

        def array(self):
            self.asked += 1
            return self.theta

    class Watching(ReferenceEngine):
        def load_data(self, X, Y, w):
            given.append((X, Y, w))

        def snapshot(self, previous=None):
            taken.append(Handle(np.array(self.theta)))
            return taken[-1]

        def epoch(self, epoch, first=0):
            assert all(a is b for a, b in zip(given[0], epoch[:3], strict=True))
            return super().epoch(epoch, first)

    X = np.linspace(-1, 1, 32)[:, None]
    arguments = {"validation": 0.25, "epochs": 5, "batch_size": 8, "learning_rate": 0.01}
    net = Network([1, 3, 1])
    result = train(net, X, 2 * X, engine=Watching, **arguments)
    assert len(given) == 1
    assert len(taken) > 1
    assert [handle.asked > 0 for handle in taken] == [False] * (len(taken) - 1) + [True]
    plain = train(net, X, 2 * X, engine="reference", **arguments)
    np.testing.assert_array_equal(result.theta, plain.theta)


def test_without_jax_the_message_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'jax'", name="jax")

    monkeypatch.setattr(registry.importlib, "import_module", missing)
    with pytest.raises(MissingDependency, match=r"pip install 'deltarule\[jax\]'"):
        make_engine("jax")


class Accelerated(ReferenceEngine):
    """Stands for the JAX engine in the choice of an engine."""

    name = "jax"


@pytest.fixture
def machine(monkeypatch):
    """Pretend which libraries are installed and what device JAX finds; returns JAX's imports."""
    asked = []

    def pretend(installed, device):
        monkeypatch.delenv(registry.VARIABLE, raising=False)
        find = registry.importlib.util.find_spec
        monkeypatch.setattr(
            registry.importlib.util,
            "find_spec",
            lambda name: (name in installed or None) if "jax" in name else find(name),
        )

        class Devices:
            @staticmethod
            def default_device():
                return device

        monkeypatch.setattr(
            registry, "jax_module", lambda name="engine": asked.append(name) or Devices
        )
        monkeypatch.setitem(registry._ENGINES, "jax", Accelerated)
        return asked

    return pretend


@pytest.mark.parametrize(
    ("installed", "device", "rows", "chosen"),
    [
        ({"jax", "jax_cuda13_plugin"}, "gpu", 100_000, "jax"),
        ({"jax", "jax_cuda13_plugin"}, "gpu", 10, "compiled"),
        ({"jax", "jax_cuda13_plugin"}, "cpu", 100_000, "compiled"),
        ({"jax"}, "cpu", 100_000, "compiled"),
        (set(), "cpu", 100_000, "compiled"),
    ],
)
def test_auto_takes_jax_for_large_steps_where_there_is_an_accelerator(
    machine, installed, device, rows, chosen
):
    asked = machine(installed, device)
    net = Network([100, 100, 1])
    theta = np.zeros(net.n_parameters)
    engine = started_engine("auto", net, theta, EngineSettings(), None, rows)
    assert engine.name == chosen
    # JAX is not even loaded where no library for a device is installed, or the work is small.
    assert bool(asked) == (len(installed) == 2 and rows > 10)
    assert started_engine("reference", net, theta, EngineSettings(), None, rows).name == "reference"


def test_a_handle_of_the_host_is_its_array():
    array = np.zeros(2)
    assert HostSnapshot(array).array() is array
