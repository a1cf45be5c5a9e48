"""A loss or an activation by its value alone: its derivative is derived symbolically."""

import numpy as np
import pytest

from deltarule import Network, explain, train
from deltarule.errors import InputError
from deltarule.maths import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Loss,
    backprop,
    check_gradient,
    numpy_namespace,
)
from deltarule.maths.printing import symbolic_activation, symbolic_loss

XP = numpy_namespace()
Z = np.concatenate([np.linspace(-6, 6, 49), [-700.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 700.0]])
PAIRS = [
    (loss.name, output, fused)
    for loss in LOSSES
    for output in ACTIVATIONS.names()
    if loss.accepts(ACTIVATIONS.get(output))
    for fused in ([False, True] if output in dict(loss.fused) else [False])
]


class ValueOf:
    """The formula of a record, reduced to its value."""

    def __init__(self, formula):
        self.formula = formula

    def __call__(self, xp, **parameters):
        whole = self.formula(xp, **parameters)
        if isinstance(whole, tuple):  # of an activation
            return whole[0]
        return lambda x, y: whole(x, y)[0]


def targets_of(loss, shape):
    rng = np.random.default_rng(3)
    if loss.targets == "classes":
        y = rng.dirichlet(np.ones(shape[1]), shape[0])
        y[::3] = np.eye(shape[1])[rng.integers(0, shape[1], len(y[::3]))]
        return y
    y = rng.choice([0.0, 0.25, 1.0], shape)
    return y if loss.targets == "unit" else 2 * y


def close(got, expected, size, tolerance=1e-12):
    """Whether they agree to rounding, relative to the size of the terms that cancel."""
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    assert np.all(same | (np.abs(got - expected) <= tolerance * np.maximum(np.abs(expected), size)))


@pytest.mark.parametrize(("name", "output", "fused"), PAIRS)
def test_of_every_registered_loss_the_value_has_the_derivative_it_gives(name, output, fused):
    loss, g = LOSSES.get(name), ACTIVATIONS.get(output)
    for levels in ({"levels": (0.1, 0.9)}, {"smoothing": 0.1}, {}):
        if not set(levels) <= set(loss.settings):
            continue
        loss = LOSSES.get(name, **levels)
        alone = Loss(
            "alone",
            ValueOf(loss.formula),
            loss.parameters,
            outputs=loss.outputs,
            fused=[(out, ValueOf(formula)) for out, formula in loss.fused],
            targets=loss.targets,
            kinks=loss.kinks,
        )
        z = np.concatenate([Z[:49], Z[-5:-3], [0.0, 30.0]])  # where a is neither 0 nor 1
        z = np.resize(z if not fused else Z, (40, 2))
        y = targets_of(loss, z.shape)
        x = z if fused else g.bind(XP).value(z)
        with np.errstate(all="ignore"):
            bound, derived = loss.bind(XP, g), alone.bind(XP, g)
            given = (bound.from_input if fused else bound.from_output)(x, y)
            found = (derived.from_input if fused else derived.from_output)(x, y)
        np.testing.assert_array_equal(found[0], given[0])
        usable = np.isfinite(given[1])
        if name in ("absolute_error", "quantile"):
            assert np.all(given[1][x == y] == 0)
        away = np.ones_like(usable)
        if name == "quantile":  # from where() the left derivative; the record's is 0 at the kink
            away = x != y
        scale = 1.0 + np.abs(y)
        use = usable & away
        close(found[1][use], given[1][use], scale[use])


@pytest.mark.parametrize("g", list(ACTIVATIONS), ids=str)
def test_of_every_registered_activation_the_value_has_the_slope_it_gives(g):
    alone = Activation(
        "alone", ValueOf(g.formula), g.parameters, kinks=g.kinks, elementwise=g.elementwise
    )
    z = np.resize(np.concatenate([np.linspace(-8, 8, 65), [0.0, -1e-9, 1e-9]]), (34, 2))
    given, found = g.bind(XP), alone.bind(XP)
    a, up = given.value(z), np.random.default_rng(0).normal(size=z.shape)
    expected = given.pullback(z, a, up)
    np.testing.assert_array_equal(found.value(z), a)
    close(found.pullback(z, a, up), expected, np.full(z.shape, 1e-3))
    if g.kinks:  # from the left
        kink = np.array([[g.kinks[0]]])
        close(found.slope(kink, None), given.slope(kink, given.value(kink)), 1e-3)
    narrow = alone.bind(numpy_namespace(np.float32))
    z32 = z.astype(np.float32)
    assert narrow.pullback(z32, narrow.value(z32), np.float32(up)).dtype == np.float32


# -- losses of one's own -------------------------------------------------------------------


def log_cosh(xp):
    def value(a, y):
        m = xp.abs(a - y)
        return m + xp.log1p(xp.exp(-2 * m)) - 0.6931471805599453

    return value


def cauchy(xp, scale):
    return lambda a, y: xp.log1p(((a - y) / scale) ** 2)


def tweedie(xp, power):
    def value(z, y):  # of z, with a = e^z
        return xp.exp((2 - power) * z) / (2 - power) - y * xp.exp((1 - power) * z) / (1 - power)

    return value


def tweedie_of_a(xp, power):
    return lambda a, y: tweedie(xp, power)(xp.log(a), y)


def focal(xp, gamma):
    def value(a, y):
        p = y * a + (1 - y) * (1 - a)
        return -xp.exp(gamma * xp.log(1 - p)) * xp.log(p)

    return value


def angular(xp):
    """1 − cos of the angle between a row's outputs and its targets, in equal parts."""

    def value(a, y):
        cosine = xp.total(a * y) / xp.sqrt(xp.total(a * a) * xp.total(y * y))
        return (1 - cosine) / xp.n_outputs(a) + 0 * a

    return value


def furthest(xp):
    """The square of the largest error of a row."""

    def value(a, y):
        r = xp.abs(a - y)
        return xp.where(r == xp.largest(r), xp.largest(r) ** 2, 0 * r)

    return value


def share(xp):
    """A square, of which the derivative is the same for all outputs of a row."""
    return lambda a, y: (a - y) * xp.total(a - y) / xp.n_outputs(a)


def insensitive(xp, margin):
    return lambda a, y: xp.maximum(xp.abs(a - y) - margin, 0) + 0.1 * xp.minimum(a - y, 0) ** 2


OWN = [
    (Loss("log_cosh", log_cosh), "identity", lambda r, a, y: np.tanh(r)),
    (Loss("cauchy", cauchy, {"scale": 2.0}), "tanh", lambda r, a, y: 2 * r / (4 + r * r)),
    (
        Loss(
            "tweedie",
            tweedie_of_a,
            {"power": 1.5},
            outputs=("exp",),
            fused=(("exp", tweedie),),
            targets="nonnegative",
        ),
        "exp",
        lambda r, a, y: a**-0.5 - y * a**-1.5,
    ),
    (
        Loss("focal", focal, {"gamma": 2.0}, outputs=("logistic",), targets="unit"),
        "logistic",
        lambda r, a, y: np.where(
            y == 1,
            2 * (1 - a) * np.log(a) - (1 - a) ** 2 / a,
            a**2 / (1 - a) - 2 * a * np.log(1 - a),
        ),
    ),
    (Loss("angular", angular), "identity", None),
    (Loss("furthest", furthest), "identity", None),
    (Loss("share", share), "identity", None),
    (Loss("insensitive", insensitive, {"margin": 0.25}, kinks=("margin", 0.0)), "identity", None),
]


def data(output, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    Y = rng.normal(size=(40, 3)) + 0.1
    if output == "logistic":
        return X, (Y > 0).astype(float)
    return X, np.abs(Y) if output == "exp" else Y


@pytest.mark.parametrize(("loss", "output", "by_hand"), OWN, ids=lambda x: getattr(x, "name", ""))
def test_a_loss_of_ones_own_is_right_everywhere(loss, output, by_hand, tmp_path):
    X, Y = data(output)
    net = Network([3, 5, 3], activation="tanh", output_activation=output, loss=loss)
    theta = net.initial(2)
    report = check_gradient(net, theta, X, Y)
    assert report.passed
    trace = backprop(net, theta, X, Y)
    if by_hand is not None:
        a = trace.A[-1]
        got = loss.bind(XP).from_output(a, Y)[1]
        np.testing.assert_allclose(got, by_hand(a - Y, a, Y), rtol=1e-12, atol=1e-14)
    results = [
        train(net, X, Y, epochs=8, batch_size=16, learning_rate=0.01, engine=engine)
        for engine in ("reference", "auto")
    ]
    np.testing.assert_allclose(results[0].theta, results[1].theta, rtol=1e-9, atol=1e-12)
    losses = results[0].history.column("loss")
    assert losses[-1] < losses[0]
    explain(net, X, Y, theta=theta).html(tmp_path / "page.html")
    symbolic = symbolic_loss(loss, output)
    for formula in (symbolic.from_output, symbolic.from_input):
        if formula is not None:
            assert "derivative" in formula.results
            for printed in (formula.c99("f"), formula.javascript("f"), formula.latex("derivative")):
                assert printed


def test_in_float32_nothing_is_widened():
    loss = Loss("cauchy", cauchy, {"scale": 2.0})
    net = Network([3, 4, 3], loss=loss, dtype=np.float32)
    X, Y = data("identity")
    assert backprop(net, net.initial(0), X, Y).delta[2].dtype == np.float32


def test_an_activation_given_by_its_value_alone_trains_and_prints():
    def snake(xp, width):
        def value(z):
            return z + width * xp.tanh(z) * xp.exp(-z * z)

        return value

    g = Activation("snake", snake, {"width": 0.5})
    net = Network([3, 5, 3], activation=g)
    X, Y = data("identity")
    assert check_gradient(net, net.initial(0), X, Y).passed
    one, other = (
        train(net, X, Y, epochs=5, engine=engine).theta for engine in ("reference", "auto")
    )
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert symbolic_activation(g).slope.c99("slope")


# -- kinks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "at_zero"),
    [
        (lambda xp: lambda z: xp.maximum(z, 0), 0.0),
        (lambda xp: lambda z: xp.maximum(0, z), 0.0),
        (lambda xp: lambda z: xp.minimum(z, 0), 1.0),
        (lambda xp: lambda z: xp.minimum(0, 3 * z), 3.0),
        (lambda xp: lambda z: xp.maximum(-z, 0), -1.0),
        (lambda xp: lambda z: xp.maximum(z, 2 * z), 1.0),
        (lambda xp: lambda z: xp.where(z > 0, z, 0.5 * z), 0.5),
        (lambda xp: lambda z: xp.where(z >= 0, z, 0.5 * z), 0.5),
        (lambda xp: lambda z: xp.where(z < 0, 0.5 * z, z), 0.5),
        (lambda xp: lambda z: xp.where(z <= 0, 0.5 * z, z), 0.5),
        (lambda xp: lambda z: xp.where(-z > 0, 0.5 * z, z), 0.5),
        (lambda xp: xp.abs, 0.0),
        (lambda xp: lambda z: z * xp.sign(z), 0.0),
        # The kinks of the parts cancel.
        (lambda xp: lambda z: xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z))), 0.5),
        (lambda xp: lambda z: xp.maximum(z, 0) - 0.5 * xp.abs(z), 0.5),
    ],
)
def test_at_a_kink_it_is_the_one_from_the_left_and_that_of_abs_is_0(value, at_zero):
    g = Activation("own", value).bind(XP)
    z = np.array([[0.0]])
    assert g.slope(z, g.value(z))[0, 0] == at_zero


# -- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (lambda xp: lambda a, y: xp.rint(a - y) ** 2, r"value alone: .* xp.rint is of no use"),
        (lambda xp: lambda a, y: np.sin(a - y), r"no symbolic form.*np\.sin"),
        (lambda xp: lambda a, y: ((a - y) ** 2).mean(), "one number for 3 rows of 2 .* mean out"),
        (lambda xp: lambda a, y: np.mean((a - y) ** 2), "one number for 3 rows of 2 .* mean out"),
        (
            lambda xp: lambda a, y: ((a - y) ** 2).sum(axis=1),
            r"shape \(3,\) for 3 rows .* mean out",
        ),
        (lambda xp: lambda a, y: xp.total((a - y) ** 2), r"shape \(3, 1\) .*n_outputs"),
        (lambda xp: lambda a, y: (((a - y) ** 2).mean(), a - y), "term is one number"),
        (lambda xp: lambda a, y: ((a - y) ** 2, (a - y).sum(axis=0)), r"derivative is an array of"),
        (lambda xp: lambda a, y: ((a - y) ** 2, 2.0), "derivative is one number"),
        (lambda xp: lambda a, y: (a, y, a), "gave a tuple of 3; expected the pair"),
        (lambda xp: lambda a, y: [a, y], "gave a list of 2; expected the pair"),
        (lambda xp: lambda a, y: None, "of type NoneType"),
        (lambda xp: lambda a: a, r"failed on arrays .*TypeError.* a function of \(a, y\)"),
        (lambda a, y: (a - y) ** 2, r"failed on arrays .*expected formula\(xp, …\)"),
        (lambda xp: 3, "failed on arrays"),
        (lambda xp: lambda a, y: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_loss_that_gives_something_else_is_refused_in_one_sentence(formula, message):
    with pytest.raises(InputError, match=rf"(?s)loss bad.*{message}") as caught:
        Network([2, 2], loss=Loss("bad", formula))
    assert "expected" in str(caught.value) or "Return" in str(caught.value)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (lambda xp: (lambda z: z.sum(), lambda z, a: z), "its value gave one number"),
        (lambda xp: (lambda z: z, lambda z, a: z[:, :0]), r"its slope gave an array of shape"),
        (lambda xp: (lambda z: z, lambda z: z), r"failed on arrays .*\(value, slope\)"),
        (lambda z: z * z, "failed on arrays"),
        (lambda xp: np.sin, r"value alone.* no symbolic form.*np\.sin"),
        (lambda xp: xp.rint, r"value alone: .* xp.rint is of no use"),
    ],
)
def test_an_activation_that_gives_something_else_is_refused(formula, message):
    with pytest.raises(InputError, match=rf"(?s)activation bad.*{message}|{message}"):
        Network([2, 2, 1], activation=Activation("bad", formula))
