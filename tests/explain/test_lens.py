"""The gradient lens against a computation with the gradient of every row."""

import dataclasses
import json
import math

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from deltarule import MLPClassifier, Model, Network, backprop, lens
from deltarule.engines import Batch, EngineSettings, ReferenceEngine
from deltarule.errors import InputError
from deltarule.explain import StepTaken, Subject
from deltarule.explain.lens.gradient_lens import MEASURES
from deltarule.explain.number_format import short
from deltarule.maths import ACTIVATIONS, Activation, dropout_mask
from deltarule.training import train
from deltarule.training.diagnosis import measures as measuring
from deltarule.training.diagnosis.advice import THRESHOLDS
from deltarule.training.diagnosis.measures import FLAT, MOSTLY, largest_slope

RNG = np.random.default_rng(5)
N = 23
X = RNG.normal(size=(N, 4))
WEIGHTS = {
    "uniform": None,
    "unequal": RNG.uniform(0.2, 3, N),
    "some zero": np.where(np.arange(N) % 3 == 0, 0.0, RNG.uniform(0.5, 2, N)),
}
NETS = {
    "tanh": Network([4, 6, 5, 2], "tanh"),
    "relu, softmax": Network([4, 6, 3], "relu", "softmax", "cross_entropy"),
    "no bias": Network([4, 5, 3, 1], "logistic", "logistic", "log_loss", bias=False),
    "gelu, elu": Network([4, 6, 5, 2], ["gelu", "elu"]),
    "one layer": Network([4, 2], []),
}


def targets(net):
    rng = np.random.default_rng(1)
    if net.loss.targets == "classes":
        return rng.integers(0, net.n_outputs, N)
    if net.loss.targets == "unit":
        return rng.integers(0, 2, (N, net.n_outputs)).astype(float)
    return rng.normal(size=(N, net.n_outputs))


def moved(net, seed=3):
    """Parameters with larger weights than initial ones, and biases that are not 0."""
    return net.initial(seed) + 0.1 * np.random.default_rng(seed).normal(size=net.n_parameters)


def rms(values):
    return math.sqrt(np.mean(np.square(values)))


def brute(net, theta, x, y, s):
    """Every measure of a layer, from the gradients of single rows in plain loops."""
    s = np.ones(len(x)) if s is None else np.asarray(s)
    p = s / s.sum()
    trace = backprop(net, theta, x, y, s, per_sample=True)
    W, _ = net.unpack(theta)
    found = []
    for layer in range(1, net.n_layers + 1):
        blocks = [b for b in net.blocks if b.layer == layer]
        each = np.concatenate([trace.per_sample.grad[:, b.start : b.stop] for b in blocks], axis=1)
        mean = sum(p[i] * each[i] for i in range(len(x)))
        spread = sum(p[i] * np.sum((each[i] - mean) ** 2) for i in range(len(x)))
        a2 = sum(p[i] * np.sum(trace.A[layer][i] ** 2) for i in range(len(x)))
        d2 = sum(p[i] * np.sum(trace.per_sample.delta[layer][i] ** 2) for i in range(len(x)))
        grad = np.concatenate([trace.grad[b.start : b.stop] for b in blocks])
        nodes = net.widths[layer]
        numbers = {
            "weight_norm": np.linalg.norm(W[layer]),
            "weight_rms": rms(W[layer]),
            "activation_norm": math.sqrt(a2),
            "activation_rms": math.sqrt(a2 / nodes),
            "delta_norm": math.sqrt(d2),
            "delta_rms": math.sqrt(d2 / nodes),
            "gradient_norm": np.linalg.norm(grad),
            "gradient_rms": rms(grad),
            "gradient_ratio": np.linalg.norm(trace.dW[layer]) / np.linalg.norm(W[layer]),
            "snr": np.linalg.norm(mean) / math.sqrt(spread),
            "noise_scale": spread / np.sum(mean**2),
        }
        g = net.activations[layer]
        if g.elementwise:
            bound = g.bind(measuring.numpy_namespace(np.float64))
            slope = np.abs(
                np.broadcast_to(bound.slope(trace.Z[layer], trace.G[layer]), (len(x), nodes))
            )
            here = slope[s > 0]
            numbers["slope_rms"] = math.sqrt(
                sum(p[i] * np.mean(slope[i] ** 2) for i in range(len(x)))
            )
            numbers["dead"] = np.mean([(here[:, j] == 0).all() for j in range(nodes)])
            numbers["flat"] = np.mean(p @ (slope < FLAT * largest_slope(g)[0]))
        found.append(numbers)
    for layer, numbers in enumerate(found):
        last, above = found[-1], found[min(layer + 1, len(found) - 1)]
        numbers["delta_ratio"] = numbers["delta_norm"] / last["delta_norm"]
        numbers["delta_factor"] = numbers["delta_norm"] / above["delta_norm"]
    return found, trace


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", NETS)
def test_every_number_is_that_of_gradients_made_row_by_row(name, weights):
    net, s = NETS[name], WEIGHTS[weights]
    theta, y = moved(net), targets(net)
    expected, trace = brute(net, theta, X, y, s)
    found = lens(net, X, y, theta=theta, sample_weight=s)
    for layer, numbers in zip(found.layers, expected, strict=True):
        for number, value in numbers.items():
            assert getattr(layer, number) == pytest.approx(value, rel=1e-10, abs=1e-14), number
    norms = np.linalg.norm(trace.per_sample.grad, axis=1)
    np.testing.assert_allclose(found.sample_norms, norms, rtol=1e-12)
    np.testing.assert_allclose(found.pull, trace.w * norms, rtol=1e-12)
    np.testing.assert_allclose(found.measured.grad, trace.grad, rtol=1e-11, atol=1e-16)
    assert found.measured.cost == pytest.approx(trace.cost, rel=1e-13)


@pytest.mark.parametrize("name", NETS)
def test_batches_leave_no_trace(name, monkeypatch):
    net = NETS[name]
    theta, y = moved(net), targets(net)
    whole = lens(net, X, y, theta=theta, sample_weight=WEIGHTS["some zero"])
    monkeypatch.setattr(measuring, "_AT_A_TIME", 5 * sum(net.widths))
    pieces = lens(net, X, y, theta=theta, sample_weight=WEIGHTS["some zero"])
    for number in MEASURES:
        np.testing.assert_allclose(
            pieces.values(number), whole.values(number), rtol=1e-11, equal_nan=True
        )
    np.testing.assert_allclose(pieces.sample_norms, whole.sample_norms, rtol=1e-13)


def test_no_array_of_a_pass_grows_with_the_rows(monkeypatch):
    seen = []
    passes = measuring.cost_and_grad

    def watched(xp, net, theta, rows, *others):
        seen.append(len(rows))
        return passes(xp, net, theta, rows, *others)

    monkeypatch.setattr(measuring, "cost_and_grad", watched)
    net = Network([50, 40, 10], "tanh")
    many = np.ones((30_000, 50))
    lens(net, many, np.zeros((30_000, 10)), theta=net.initial(0))
    assert sum(seen) == 30_000
    assert max(seen) * sum(net.widths) <= measuring._AT_A_TIME


# -- sample weights ------------------------------------------------------------------


def same(one, other):
    for number in MEASURES:
        np.testing.assert_allclose(
            one.values(number), other.values(number), rtol=1e-10, atol=1e-13, equal_nan=True
        )
    assert one.measured.cost == pytest.approx(other.measured.cost, rel=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_a_row_of_weight_two_is_the_row_twice(name):
    net = NETS[name]
    theta, y = moved(net), targets(net)
    s = np.where(np.arange(N) < 5, 2.0, 1.0)
    twice = np.r_[np.arange(N), np.arange(5)]
    same(
        lens(net, X, y, theta=theta, sample_weight=s, learning_rate=0.1),
        lens(net, X[twice], y[twice], theta=theta, learning_rate=0.1),
    )


@pytest.mark.parametrize("name", NETS)
def test_a_row_of_weight_zero_is_not_there(name):
    net = NETS[name]
    theta, y = moved(net), targets(net)
    s = WEIGHTS["some zero"]
    keep = s > 0
    same(
        lens(net, X, y, theta=theta, sample_weight=s, learning_rate=0.1),
        lens(net, X[keep], y[keep], theta=theta, sample_weight=s[keep], learning_rate=0.1),
    )


def test_not_even_a_row_whose_loss_is_infinite_counts_with_weight_zero():
    net = Network([1, 1], [])
    found = lens(net, [[1.0], [1e200]], [[0.0], [0.0]], theta=[1.0, 0.0], sample_weight=[1, 0])
    assert found.measured.cost == 1.0
    assert found.advice == ()
    assert found.pull[1] == 0.0
    assert not np.isfinite(found.measured.loss[1])


def test_the_order_of_rows_and_the_scale_of_weights_do_not_matter():
    net = NETS["tanh"]
    theta, y, s = moved(net), targets(net), WEIGHTS["unequal"]
    order = RNG.permutation(N)
    same(
        lens(net, X, y, theta=theta, sample_weight=s),
        lens(net, X[order], y[order], theta=theta, sample_weight=7 * s[order]),
    )


def test_a_batch_of_a_step_keeps_its_weights_and_its_snr():
    """w_i of a step need not add to 1: the gradient follows them, the signal-to-noise does not."""
    net = NETS["tanh"]
    subject = Subject.of_arrays(net, moved(net), X, targets(net))
    step = dataclasses.replace(subject, w=3 * subject.w)
    np.testing.assert_allclose(
        lens(step).values("gradient_norm"), 3 * lens(subject).values("gradient_norm"), rtol=1e-12
    )
    np.testing.assert_allclose(lens(step).values("snr"), lens(subject).values("snr"), rtol=1e-10)


# -- signal and noise by hand -------------------------------------------------------------


def one_weight(slopes):
    """The lens of one weight whose gradient is 2 · slope in each row (a = 0, x = 1)."""
    net = Network([1, 1], [], bias=False)
    y = -np.asarray(slopes, dtype=float)[:, None]
    return lens(net, np.ones((len(slopes), 1)), y, theta=[0.0]).layers[0]


def test_signal_to_noise_by_hand():
    # Gradients 2 and 6: mean 4, spread 2.
    assert one_weight([1, 3]).snr == pytest.approx(2)
    assert one_weight([1, 3]).noise_scale == pytest.approx(0.25)
    # Opposite gradients: no signal, all noise.
    assert one_weight([1, -1]).snr == 0
    assert one_weight([1, -1]).noise_scale == math.inf
    # Equal gradients: no noise.
    assert one_weight([1, 1, 1]).snr == math.inf
    assert one_weight([1, 1, 1]).noise_scale == 0
    # No gradient at all: neither.
    assert math.isnan(one_weight([0, 0]).snr)


def test_the_noise_scale_is_the_batch_whose_mean_has_as_much_noise_as_signal():
    """Drawn with replacement, the mean of B rows has the variance spread²/B."""
    layer = one_weight([1, 2, 6])
    grads = 2 * np.array([1, 2, 6])
    assert layer.noise_scale == pytest.approx(grads.var() / grads.mean() ** 2)


# -- dead and saturated -------------------------------------------------------------------


def test_planted_dead_nodes_are_found_by_number():
    net = Network([4, 10, 1], "relu")
    theta = net.initial(0)
    _, b = net.unpack(theta)
    b[1][[2, 7, 8]] = -100
    found = lens(net, X, np.zeros((N, 1)), theta=theta)
    assert found.values("dead")[0] == 0.3
    assert found.measured.dead_nodes[0].tolist() == [2, 7, 8]
    assert found.marks(1) == ("dead",)
    (advice,) = found.advice
    assert "3 of the 10 nodes of layer 1" in advice.seen
    assert f"all {N} rows" in advice.seen
    assert "relu" in advice.why


def flat_output(loss, nodes=1):
    """A network with a relu layer whose logistic outputs are 1 to the last digit in every row."""
    net = Network([4, 3, nodes], "relu", "logistic", loss)
    theta = net.initial(0)
    net.unpack(theta)[1][2][:] = 800
    return lens(net, X, np.zeros((N, nodes)), theta=theta)


def test_an_output_whose_loss_does_without_its_slope_is_not_called_dead():
    found = flat_output("log_loss")
    assert found.values("dead")[1] == 1
    assert found.marks(2) == ()


def test_a_flat_output_is_named_with_its_own_activation():
    (advice,) = [each for each in flat_output("squared_error").advice if each.kind == "dead"]
    assert advice.seen.startswith("The one node of layer 2 is dead:")
    assert "logistic is flat" in advice.why
    assert "relu" not in advice.text()
    assert "stay at 0" not in advice.text()
    assert "log_loss with logistic" in advice.what
    (advice,) = [e for e in flat_output("squared_error", 2).advice if e.kind == "dead"]
    assert advice.seen.startswith("All 2 nodes of layer 2 are dead:")


def test_a_node_that_is_active_in_one_row_is_alive():
    net = Network([1, 1, 1], "relu")
    theta = net.pack(W=[[[1.0]], [[1.0]]])
    rows = np.r_[-np.ones(40), 1.0][:, None]
    y = np.zeros((41, 1))
    assert lens(net, rows, y, theta=theta).values("dead")[0] == 0
    absent = lens(net, rows, y, theta=theta, sample_weight=np.r_[np.ones(40), 0.0])
    assert absent.values("dead")[0] == 1


def test_few_rows_give_no_advice_on_dead_nodes():
    net = Network([4, 10, 1], "relu")
    theta = net.initial(0)
    net.unpack(theta)[1][1][:5] = -100
    few = lens(net, X[:5], np.zeros((5, 1)), theta=theta)
    assert few.values("dead")[0] >= 0.5
    assert few.marks(1) == ()


def test_planted_saturated_nodes_are_found_by_number():
    net = Network([4, 8, 1], "tanh")
    theta = net.initial(0)
    _, b = net.unpack(theta)
    b[1][[1, 4, 6]] = [9, -9, 30]
    found = lens(net, X, np.zeros((N, 1)), theta=theta)
    assert found.values("saturated")[0] == 3 / 8
    assert found.values("dead")[0] == 0
    assert found.measured.saturated_nodes[0].tolist() == [1, 4, 6]
    assert found.marks(1) == ("saturated",)
    assert "tanh" in found.advice[0].seen


def test_saturated_means_flat_in_most_rows_by_their_weights():
    """z is 10 in a share of the rows and 0 in the others; the limit is 90 %."""
    net = Network([1, 1, 1], "tanh")
    theta = net.pack(W=[[[1.0]], [[1.0]]])
    rows, y = np.array([[10.0], [0.0]]), np.zeros((2, 1))

    def saturated(share):
        return lens(net, rows, y, theta=theta, sample_weight=[share, 1 - share]).layers[0].saturated

    assert saturated(MOSTLY - 0.01) == 0
    assert saturated(MOSTLY + 0.01) == 1


def test_an_output_whose_loss_is_fused_may_be_sure_of_itself():
    rows, y = np.linspace(5, 9, 20)[:, None], np.ones((20, 1))
    theta = [3.0, 0.0]
    sure = lens(Network([1, 1], [], "logistic", "log_loss"), rows, y, theta=theta)
    slow = lens(Network([1, 1], [], "logistic", "squared_error"), rows, y, theta=theta)
    assert sure.values("saturated")[0] == slow.values("saturated")[0] == 1
    assert sure.marks(1) == ()
    assert slow.marks(1) == ("saturated",)
    assert "log_loss" in slow.advice[0].what


@pytest.mark.parametrize(
    ("name", "largest", "off"),
    [
        ("identity", 1.0, False),
        ("logistic", 0.25, False),
        ("tanh", 1.0, False),
        ("relu", 1.0, True),
        ("leaky_relu", 1.0, True),
        ("elu", 1.0, False),
        ("selu", 1.0507009873554804934 * 1.6732632423543772848, False),
        ("softplus", 1.0, False),
        ("softsign", 1.0, False),
        ("exp", math.inf, False),
        ("gelu", 1.12890, False),
        ("silu", 1.09984, False),
        ("mish", 1.08850, False),
    ],
)
def test_the_largest_slope_comes_from_the_slope_itself(name, largest, off):
    found = largest_slope(ACTIVATIONS.get(name))
    assert found[0] == pytest.approx(largest, rel=2e-3)
    assert found[1] is off


def test_a_users_own_activation_has_a_largest_slope_too():
    def square(xp):
        return (lambda z: z * z), (lambda z, a: 2 * z)

    def clipped(xp):
        def value(z):
            return xp.minimum(xp.maximum(z, -1), 1)

        def slope(z, a):
            return xp.where(xp.abs(z) < 1, 1, 0)

        return value, slope

    assert largest_slope(Activation("square", square)) == (math.inf, False)
    assert largest_slope(Activation("clipped", clipped))[0] == 1.0


def test_softmax_has_no_slope_and_exp_no_largest_one():
    found = lens(
        NETS["relu, softmax"], X, targets(NETS["relu, softmax"]), theta=moved(NETS["relu, softmax"])
    )
    last = found.layers[-1]
    assert all(
        math.isnan(value) for value in (last.dead, last.saturated, last.flat, last.slope_rms)
    )
    net = Network([4, 1], [], "exp", "poisson")
    (layer,) = lens(net, X, np.ones((N, 1)), theta=net.initial(0)).layers
    assert math.isnan(layer.saturated)
    assert math.isnan(layer.flat)
    assert layer.dead == 0


# -- vanishing and exploding --------------------------------------------------------------


def deep(activation, layers, scale=1.0, width=16):
    net = Network([4] + [width] * layers + [1], activation)
    return net, scale * net.initial(0)


def look(net, theta, **options):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 4))
    return lens(net, rows, rows[:, :1] * rows[:, 1:2], theta=theta, **options)


def test_deep_logistic_networks_vanish_and_the_slope_is_blamed():
    found = look(*deep("logistic", 9))
    (advice,) = found.advice
    assert advice.kind == "vanishing"
    assert advice.serious
    assert advice.layers[0] == 1
    ratios = found.values("delta_ratio")
    assert advice.layers == tuple(np.flatnonzero(ratios < THRESHOLDS["vanishing"]) + 1)
    assert "at most 0.25" in advice.why
    assert "relu" in advice.what


def test_small_weights_vanish_and_the_weights_are_blamed():
    found = look(*deep("tanh", 8, scale=0.1))
    (advice,) = found.advice
    assert advice.kind == "vanishing"
    assert "from the weights" in advice.why
    assert "weights are small" in advice.what
    assert short(found.layers[0].weight_rms) in advice.what


def test_no_delta_passes_a_layer_of_dead_nodes():
    net, theta = deep("relu", 2)
    net.unpack(theta)[1][2][:] = -1e3
    found = look(net, theta)
    assert found.values("delta_ratio").tolist()[:2] == [0, 0]
    assert found.marks(2) == ("vanishing", "dead")
    assert "No δ at all" in found.advice[0].seen


def test_large_weights_explode():
    found = look(*deep("relu", 9, scale=4))
    kinds = {advice.kind for advice in found.advice}
    assert "exploding" in kinds
    (advice,) = [each for each in found.advice if each.kind == "exploding"]
    ratios = found.values("delta_ratio")
    assert advice.layers == tuple(np.flatnonzero(ratios > THRESHOLDS["exploding"]) + 1)
    assert "from the weights" in advice.why


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "elu", "selu", "leaky_relu"])
@pytest.mark.parametrize("width", [8, 64])
@pytest.mark.parametrize("layers", [1, 3, 6])
def test_networks_as_they_are_started_are_not_marked(activation, layers, width):
    found = look(*deep(activation, layers, width=width))
    assert [each.text() for each in found.advice if each.kind in ("vanishing", "exploding")] == []
    assert not any(each.kind == "saturated" for each in found.advice)


def test_a_trained_network_is_not_marked():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(300, 4))
    y = (rows[:, 0] * rows[:, 1] > 0).astype(int)
    net = Network([4, 32, 16, 2], "tanh", "softmax", "cross_entropy")
    result = train(net, rows, y, rule="adam", learning_rate=0.01, batch_size=32, epochs=30, seed=0)
    found = lens(net, rows, y, theta=result.theta)
    assert found.advice == ()
    assert "Nothing is marked." in found.text()


def test_the_backward_norm_does_not_know_the_width():
    """The ratio of norms, not of RMS, is near 1 with initial weights, so norms are compared."""
    net = Network([4, 512, 8, 256, 1], "relu")
    ratios = look(net, net.initial(1)).values("delta_ratio")
    assert ratios.min() > 0.2
    assert ratios.max() < 5


def test_a_perfect_fit_is_no_case_of_vanishing():
    net = Network([1, 2, 1], "tanh")
    found = lens(net, [[1.0]], [[0.0]], theta=np.zeros(net.n_parameters))
    assert [each.kind for each in found.advice] == ["no gradient"]
    assert not found.advice[0].serious


def test_what_is_not_finite_is_said_and_nothing_else():
    net = Network([1, 1, 1], "identity")
    found = lens(net, [[1e200]] * 20, [[0.0]] * 20, theta=[1e200, 0, 1e200, 0])
    assert [each.kind for each in found.advice] == ["not finite"]
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.text()


# -- the step -----------------------------------------------------------------------------


def test_a_plain_step_is_the_rate_times_the_gradient():
    net = NETS["tanh"]
    found = lens(net, X, targets(net), theta=moved(net), learning_rate=0.25)
    np.testing.assert_allclose(
        found.values("update_ratio"), 0.25 * found.values("gradient_ratio"), rtol=1e-9
    )
    assert np.isnan(lens(net, X, targets(net), theta=moved(net)).values("update_ratio")).all()


def test_a_step_of_a_run_is_taken_with_what_the_rule_carried():
    net = NETS["tanh"]
    y = targets(net)
    settings = EngineSettings(rule="adam", l2=0.3, total_weight=N, clip_norm=0.5)
    engine = ReferenceEngine()
    engine.load(net, moved(net), settings)
    for t in range(1, 6):
        before = engine.state()
        engine.step(Batch(X, y, np.full(N, 1 / N), np.arange(N), t), 0.05)
    slots = {k.removeprefix("slot."): v for k, v in before.items() if k.startswith("slot.")}
    step = StepTaken(settings, 0.05, 5, slots)
    subject = Subject.of_arrays(net, before["theta"], X, y, step=step)
    W, _ = net.unpack(before["theta"])
    dW, _ = net.unpack(engine.theta - before["theta"])
    expected = [np.linalg.norm(dW[layer]) / np.linalg.norm(W[layer]) for layer in (1, 2, 3)]
    np.testing.assert_allclose(lens(subject).values("update_ratio"), expected, rtol=1e-9)
    # The recorded result of the engine takes precedence over a computed one.
    taken = dataclasses.replace(step, slots={}, theta_after=engine.theta)
    found = lens(dataclasses.replace(subject, step=taken))
    np.testing.assert_allclose(found.values("update_ratio"), expected, rtol=1e-12)
    assert "as it was taken" in found.text()


def test_steps_too_large_and_too_small_are_marked():
    net = NETS["tanh"]
    y, theta = targets(net), moved(net)
    ratio = lens(net, X, y, theta=theta).values("gradient_ratio").max()
    large = lens(net, X, y, theta=theta, learning_rate=2 / ratio)
    small = lens(net, X, y, theta=theta, learning_rate=1e-7 / ratio)
    usual = lens(net, X, y, theta=theta, learning_rate=1e-3 / ratio)
    assert [(each.kind, each.serious) for each in large.advice] == [("large step", True)]
    assert [(each.kind, each.serious) for each in small.advice] == [("small step", False)]
    assert usual.advice == ()


def test_dropout_of_a_step_is_in_its_numbers():
    net = NETS["tanh"]
    y = targets(net)
    masks = [None, dropout_mask(0.5, np.arange(N), 6, seed=0, step=1, layer=1), None, None]
    subject = Subject.of_arrays(net, moved(net), X, y, masks=masks)
    trace = backprop(net, subject.theta, X, y, per_sample=True, masks=masks)
    found = lens(subject)
    np.testing.assert_allclose(
        found.sample_norms, np.linalg.norm(trace.per_sample.grad, axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(found.measured.grad, trace.grad, rtol=1e-11, atol=1e-16)


# -- over training ------------------------------------------------------------------------


class Recorded:
    """The part of a recording that the lens uses."""

    def __init__(self, states):
        self.states = states
        self.steps = tuple(states)

    def theta(self, step):
        return self.states[step]


def test_recorded_steps_are_measured_one_by_one():
    net = NETS["tanh"]
    y = targets(net)
    states = {step: moved(net, seed) for seed, step in enumerate((0, 1, 5, 9))}
    found = lens(net, X, y, theta=states[9], recording=Recorded(states))
    assert found.steps == (0, 1, 5, 9)
    pairs = lens(net, X, y, theta=states[9], recording=list(states.items()))
    for at, theta in enumerate(states.values()):
        alone = lens(net, X, y, theta=theta)
        for number in ("weight_rms", "delta_ratio", "snr", "gradient_norm"):
            expected = alone.values(number)
            assert found.over_training(number)[at].tolist() == expected.tolist()
            assert pairs.over_training(number)[at].tolist() == expected.tolist()
    # The update is known only between consecutive steps.
    ratios = found.over_training("update_ratio")
    assert np.isfinite(ratios[0]).all()
    assert np.isnan(ratios[1:]).all()
    W0, W1 = net.unpack(states[0])[0], net.unpack(states[1])[0]
    assert ratios[0][0] == pytest.approx(np.linalg.norm(W1[1] - W0[1]) / np.linalg.norm(W0[1]))
    assert "steps 0 to 9 (4 measured)" in found.text()


def test_of_many_recorded_steps_some_are_measured_the_ends_among_them():
    net = NETS["one layer"]
    states = [(step, moved(net, step)) for step in range(30)]
    found = lens(net, X, targets(net), theta=states[-1][1], recording=states, most_steps=7)
    assert len(found.steps) == 7
    assert (found.steps[0], found.steps[-1]) == (0, 29)


# -- rows with large gradients ------------------------------------------------------------


def test_a_planted_outlier_pulls_hardest():
    net = NETS["tanh"]
    y = targets(net)
    y[11] += 50
    found = lens(net, X, y, theta=moved(net))
    first = found.hardest(3)[0]
    assert first.row == 11
    assert first.name == "11"
    assert first.pull == pytest.approx(first.norm / N)
    assert first.share == pytest.approx(found.pull[11] / found.pull.sum())
    assert "row 11" in found.text()
    weightless = lens(net, X, y, theta=moved(net), sample_weight=(np.arange(N) != 11).astype(float))
    assert weightless.hardest(1)[0].row != 11
    assert weightless.sample_norms[11] == pytest.approx(found.sample_norms[11])


# -- arguments ------------------------------------------------------------------------


def test_models_and_estimators_are_taken():
    net = NETS["relu, softmax"]
    theta, y = moved(net), targets(net)
    same(lens(Model(net, theta), X, y), lens(net, X, y, theta=theta))
    same(lens(Subject.of_arrays(net, theta, X, y)), lens(net, X, y, theta=theta))
    labels = np.array(["red", "green", "blue"])[y]
    fitted = MLPClassifier((5,), max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        fitted.fit(X, labels)
    found = lens(fitted, X, labels, sample_weight=WEIGHTS["unequal"])
    classes = np.searchsorted(fitted.classes_, labels)
    inner = fitted.network_
    theta = inner.pack([c.T for c in fitted.coefs_], fitted.intercepts_)
    # The estimator has a step of its own, by Adam.
    assert np.isfinite(found.values("update_ratio")).all()
    plain = dataclasses.replace(found.subject, step=None)
    same(lens(plain), lens(inner, X, classes, theta=theta, sample_weight=WEIGHTS["unequal"]))
    assert found.subject.classes == ("blue", "green", "red")


def test_float32_networks_are_looked_at_in_float64():
    net = NETS["tanh"].with_changes(dtype=np.float32)
    theta = moved(NETS["tanh"]).astype(np.float32)
    found = lens(net, X, targets(net), theta=theta)
    same(found, lens(NETS["tanh"], X, targets(net), theta=theta.astype(np.float64)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"theta": None}, "a Network has no parameters"),
        ({"theta": [1.0]}, r"theta has shape \(1,\)"),
        ({"X": None}, "X was not given"),
        ({"Y": None}, "Y was not given"),
        ({"X": X[:, :2]}, r"expected \(N, 4\)"),
        ({"sample_weight": np.zeros(N)}, "every sample weight is 0"),
        ({"sample_weight": -np.ones(N)}, "expected finite numbers ≥ 0"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"rule": "adam"}, "needs a learning rate"),
        ({"learning_rate": 0.1, "rule": "adma"}, "adam"),
        ({"most_steps": 1}, "most_steps is 1"),
        ({"recording": []}, "holds no step"),
        ({"recording": 3}, "recording is int"),
        ({"recording": [(0, [1.0])]}, "not of this network"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(change, words):
    net = NETS["tanh"]
    arguments = {"X": X, "Y": targets(net), "theta": moved(net)} | change
    with pytest.raises(InputError, match=words):
        lens(net, **arguments)


def test_what_has_no_network_is_refused():
    with pytest.raises(InputError, match="list cannot be explained; expected a Network"):
        lens([1, 2], X, X)
    net = NETS["tanh"]
    with pytest.raises(InputError, match="has its own"):
        lens(Model(net, moved(net)), X, targets(net), theta=moved(net))
    with pytest.raises(InputError, match=r"a Subject has rows.* leave X out"):
        lens(Subject.of_arrays(net, moved(net), X, targets(net)), X)
    with pytest.raises(InputError, match="no measure is called 'size'"):
        lens(net, X, targets(net), theta=moved(net)).values("size")


# -- text and HTML ----------------------------------------------------------------------


def test_the_text_shows_every_layer_with_its_numbers():
    net = NETS["relu, softmax"]
    found = lens(net, X, targets(net), theta=moved(net), learning_rate=0.1)
    text = found.text()
    lines = [line.split() for line in text.splitlines()]
    for layer in found.layers:
        (row,) = [line for line in lines if line[:2] == [str(layer.layer), str(layer.nodes)]]
        for number in ("weight_rms", "delta_rms", "snr", "update_ratio"):
            assert short(getattr(layer, number)) in " ".join(row)
    assert f"C = {found.measured.cost:.6g}" in text
    assert "update" not in lens(net, X, targets(net), theta=moved(net)).text()


def test_the_dictionary_is_json_with_every_number():
    net = NETS["relu, softmax"]
    found = lens(
        net, X, targets(net), theta=moved(net), recording=[(0, moved(net)), (4, moved(net, 4))]
    )
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    for layer, shown in zip(found.layers, data["layers"], strict=True):
        for number in MEASURES:
            value = getattr(layer, number)
            assert float(shown[number]) == value or math.isnan(value)
    assert data["over"]["steps"] == [0, 4]
    assert data["over"]["series"]["snr"] == found.over_training("snr").tolist()
    assert {each["name"] for each in data["measures"]} == set(MEASURES)
    assert data["hardest"][0]["row"] == found.hardest(1)[0].row
    assert len(data["attributions"]["mean_by_feature"]) == 4


def test_html_is_static_and_escapes_names():
    net = NETS["one layer"]
    subject = Subject.of_arrays(net, moved(net), X, targets(net))
    names = dataclasses.replace(subject.names, rows=tuple(f"<b>{i}" for i in range(N)))
    html = lens(dataclasses.replace(subject, names=names))._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert html.count("<tr>") == 2


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"),
        (0.5, "0.5"),
        (-0.0625, "−0.0625"),
        (999.6, "1000"),
        (123456.0, "123000"),
        (1.5e-9, "1.50 × 10^−9"),
        (-2.5e8, "−2.50 × 10^8"),
        (math.nan, "—"),
        (-math.inf, "−∞"),
    ],
)
def test_short_numbers(x, text):
    assert short(x) == text
