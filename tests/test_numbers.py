"""NumPy's scalars and arrays without dimensions are numbers, wherever a number is a parameter."""

import dataclasses

import numpy as np
import pytest

from deltarule import Network, train, train_many
from deltarule.engines import EngineSettings
from deltarule.errors import InputError
from deltarule.maths import ACTIVATIONS, INITIALIZERS, LOSSES, dropout_mask, penalty
from deltarule.maths.penalties import PENALTIES
from deltarule.optimizers import MINIMIZERS, RULES, SCHEDULES
from deltarule.records import real_number, to_python_scalar, whole_number
from deltarule.training import GeneralizationLoss, Patience, Progress, Recorder

REGISTRIES = (ACTIVATIONS, LOSSES, INITIALIZERS, PENALTIES, RULES, MINIMIZERS, SCHEDULES)
PARAMETERS = [
    pytest.param(registry, record, name, value, id=f"{record.name}-{name}")
    for registry in REGISTRIES
    for record in registry
    for name, value in record.parameters
    if isinstance(value, int | float) and not isinstance(value, bool)
]


def forms(value):
    """The same number in other types."""
    if float(value).is_integer():
        yield from (np.float64(value), np.array(float(value)), np.array(int(value)))
    if isinstance(value, int):
        yield from (np.int64(value), np.int32(value), np.uint16(value), np.array(value))
    else:
        yield from (np.float64(value), np.array(value))


@pytest.mark.parametrize(("registry", "record", "name", "value"), PARAMETERS)
def test_every_parameter_of_every_record_takes_them(registry, record, name, value):
    for form in forms(value):
        if (
            isinstance(value, int)
            and isinstance(to_python_scalar(form), float)
            and registry is MINIMIZERS
        ):
            continue  # a whole number has to be one
        changed = registry.get(record.name, **{name: form})
        assert changed == record
        assert hash(changed) == hash(record)
        assert type(changed.settings[name]) in (int, float)
        assert changed.spec() == record.spec() or changed.settings[name] == value
    single = registry.get(record.name, **{name: np.float32(0.5)}) if _is_share(record, name) else 0
    assert not single or type(single.settings[name]) is float


def _is_share(record, name):
    try:
        record.with_parameters(**{name: 0.5})
    except InputError:
        return False
    return True


@pytest.mark.parametrize(("registry", "record", "name", "value"), PARAMETERS)
@pytest.mark.parametrize("bad", [True, np.bool_(True), "0.5", None, [0.5], np.ones(1), 1j])
def test_what_is_no_number_is_refused_in_one_sentence(registry, record, name, value, bad):
    with pytest.raises(InputError, match=f"{name} is .*expected"):
        registry.get(record.name, **{name: bad})


WHOLE = {
    "Patience": Patience,
    "GeneralizationLoss": lambda n: GeneralizationLoss(every=n),
    "Progress": lambda n: Progress(strip=n),
    "Recorder": lambda n: Recorder(most=n),
    "widths": lambda n: Network([2, n, 1]),
    "initial": lambda n: Network([2, 1]).initial(n),
    "epochs": lambda n: run(epochs=n),
    "batch_size": lambda n: run(batch_size=n),
    "stopping": lambda n: run(stopping=n),
    "seed": lambda n: run(seed=n),
    "seeds": lambda n: train_many(Network([2, 1]), X, Y, seeds=[n, n], epochs=1),
    "workers": lambda n: train_many(Network([2, 1]), X, Y, seeds=[0, 1], epochs=1, workers=n),
    "EngineSettings.seed": lambda n: EngineSettings(seed=n),
    "dropout_mask": lambda n: dropout_mask(0.5, [0], 2, seed=n, step=1, layer=1),
    "memory": lambda n: MINIMIZERS.get("lbfgs", memory=n),
    "factors": lambda n: SCHEDULES.get("step").factors(n, n, n),
}
REAL = {
    "tolerance": lambda x: Patience(tolerance=x),
    "alpha": lambda x: GeneralizationLoss(alpha=x),
    "threshold": lambda x: Progress(threshold=x),
    "share": lambda x: Recorder(share=x),
    "learning_rate": lambda x: run(learning_rate=x),
    "learning_rates": lambda x: train_many(Network([2, 1]), X, Y, learning_rate=[x, x], epochs=1),
    "l2": lambda x: run(l2=x),
    "l1": lambda x: run(l1=x),
    "dropout": lambda x: run(dropout=x),
    "dropout of each layer": lambda x: run(dropout=[x]),
    "clip_norm": lambda x: run(clip_norm=x),
    "averaging": lambda x: run(averaging=x),
    "validation": lambda x: run(validation=x),
    "penalty": lambda x: penalty(Network([2, 1]), np.ones(3), l2=x),
    "total_weight": lambda x: penalty(Network([2, 1]), np.ones(3), total_weight=x),
    "rate of a mask": lambda x: dropout_mask(x, [0], 2, seed=0, step=1, layer=1),
}
X = np.random.default_rng(0).normal(size=(12, 2))
Y = X.sum(axis=1)


def run(**settings):
    return train(Network([2, 3, 1]), X, Y, **{"epochs": 1, **settings}).theta


@pytest.mark.parametrize("what", WHOLE)
def test_whole_numbers(what):
    call = WHOLE[what]
    expected = call(5)
    for given in (np.int64(5), np.int32(5), np.uint8(5), np.array(5)):
        assert same(call(given), expected)
    for bad in (5.7, 5.0, np.float64(5.7), True, np.bool_(True), "five", np.array([5, 6]), -1):
        with pytest.raises(InputError, match="expected"):
            call(bad)


@pytest.mark.parametrize("what", REAL)
def test_real_numbers(what):
    call = REAL[what]
    expected = call(0.5)
    for given in (np.float64(0.5), np.float32(0.5), np.float16(0.5), np.array(0.5)):
        assert same(call(given), expected)
    for bad in (True, np.bool_(True), "half", 1j, np.nan, -1.0):
        with pytest.raises(InputError, match="expected"):
            call(bad)


def same(one, other):
    if isinstance(one, Recorder):
        return one.most == other.most and one._share == other._share
    if isinstance(one, list):
        return all(np.array_equal(a.theta, b.theta) for a, b in zip(one, other, strict=True))
    if isinstance(one, tuple):
        return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if dataclasses.is_dataclass(one):
        return one == other and all(
            type(getattr(one, field.name)) is type(getattr(other, field.name))
            for field in dataclasses.fields(one)
        )
    return one == other


@pytest.mark.parametrize(
    "levels",
    [
        [0.1, 0.5, 0.9],
        (0.1, 0.5, 0.9),
        np.array([0.1, 0.5, 0.9]),
        [np.float64(0.1), np.array(0.5), 0.9],
    ],
    ids=str,
)
def test_levels_of_a_quantile_loss(levels):
    loss = LOSSES.get("quantile", levels=levels)
    assert loss == LOSSES.get("quantile", levels=(0.1, 0.5, 0.9))
    assert loss.spec() == {"name": "quantile", "levels": [0.1, 0.5, 0.9]}
    assert Network([2, 3], loss=loss).loss.outputs_per_target() == 3


@pytest.mark.parametrize("one", [0.3, np.float64(0.3), np.array(0.3), [0.3], np.array([0.3])])
def test_one_level(one):
    loss = LOSSES.get("quantile", levels=one)
    assert loss == LOSSES.get("quantile", levels=(0.3,))
    assert train(Network([2, 1], loss=loss), X, Y, epochs=2).theta.shape == (3,)
    assert LOSSES.get({"name": "quantile", "levels": one}) == loss


@pytest.mark.parametrize(
    "bad",
    [[], np.array([]), [0.5, 0.5], [0.0], [1.0], 1.5, -0.1, [np.nan], np.nan, [[0.1, 0.9]], "0.5",
     ["0.5"], [True], True, None, np.ones((2, 2)) / 2, {0.5}],
)  # fmt: skip
def test_levels_that_cannot_be_used(bad):
    with pytest.raises(InputError, match=r"levels is .*expected numbers between 0 and 1"):
        LOSSES.get("quantile", levels=bad)


def test_the_normaliser():
    assert to_python_scalar(np.str_("a")) == "a"
    assert real_number(10**400) == np.inf
    assert real_number(np.array([0.5])) is None
    assert whole_number(5.0) is None
    assert whole_number(np.array(5.0)) is None
    assert whole_number(np.uint64(2**63)) == 2**63
