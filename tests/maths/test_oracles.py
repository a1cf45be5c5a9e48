"""Independent implementations: PyTorch's and JAX's automatic differentiation, in float64.

Their formulas are written here from the definitions, not from this library's; only the
network's shape, parameters and data are shared.
"""

import numpy as np
import pytest
from tests.maths.conftest import make_problem

from deltarule.maths import ACTIVATIONS, LOSSES, Network, backprop, jax_namespace, numpy_namespace
from deltarule.maths.backprop import cost_and_grad

pytestmark = pytest.mark.oracle

HIDDEN = [g.name for g in ACTIVATIONS if g.elementwise]
PAIRS = [(loss.name, g.name) for loss in LOSSES for g in ACTIVATIONS if loss.accepts(g)]
TAUS = (0.1, 0.5, 0.9)
BAR = 1e-12


def problem(hidden, loss, output, n_outputs=3):
    record = LOSSES.get(loss, **({"levels": TAUS} if loss == "quantile" else {}))
    net = Network([4, 5, n_outputs], hidden, output, record)
    return make_problem(net, seed=[HIDDEN.index(hidden), PAIRS.index((loss, output))])


def agree(net, ours, theirs):
    """Block by block, relative to the block's largest entry."""
    for block in net.blocks:
        mine, other = block.of(ours), block.of(theirs)
        np.testing.assert_allclose(mine, other, rtol=0, atol=BAR * max(np.abs(other).max(), 1e-30))


def torch_activations(torch):
    F = torch.nn.functional
    return {
        "identity": lambda z: z,
        "logistic": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
        "elu": F.elu,
        "selu": torch.selu,
        "softplus": lambda z: F.softplus(z, threshold=1e9),
        "softsign": F.softsign,
        "exp": torch.exp,
        "gelu": F.gelu,
        "silu": F.silu,
        "mish": F.mish,
        "softmax": lambda z: torch.softmax(z, dim=1),
    }


def torch_losses(torch):
    tau = torch.tensor(TAUS, dtype=torch.float64)
    F = torch.nn.functional

    def mean(each):
        return each.sum(dim=1).mean()

    return {
        "squared_error": lambda a, y: mean((a - y) ** 2),
        "half_squared_error": lambda a, y: mean(0.5 * (a - y) ** 2),
        "absolute_error": lambda a, y: mean((a - y).abs()),
        "huber": lambda a, y: mean(F.huber_loss(a, y, reduction="none", delta=1.0)),
        "quantile": lambda a, y: mean(torch.maximum(tau * (y - a), (tau - 1) * (y - a))),
        "poisson": lambda a, y: mean(a - y * torch.log(a)),
        "log_loss": lambda a, y: mean(F.binary_cross_entropy(a, y, reduction="none")),
        "weighted_log_loss": lambda a, y: mean(F.binary_cross_entropy(a, y, reduction="none")),
        "cross_entropy": lambda a, y: mean(-y * torch.log(a)),
    }


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_pytorch_agrees(hidden, loss, output):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    net, theta, X, Y = problem(hidden, loss, output)
    trace = backprop(net, theta, X, Y)
    known, losses = torch_activations(torch), torch_losses(torch)
    parameters = [torch.tensor(block.of(theta).copy(), requires_grad=True) for block in net.blocks]
    a = torch.tensor(X, requires_grad=True)
    x = a
    for layer in range(net.n_layers):
        z = a @ parameters[2 * layer].T + parameters[2 * layer + 1]
        a = known[net.activations[layer + 1].name](z)
    cost = losses[loss](a, torch.tensor(trace.Y))
    cost.backward()
    assert trace.cost == pytest.approx(cost.item(), rel=BAR)
    agree(net, trace.grad, np.concatenate([p.grad.numpy().ravel() for p in parameters]))
    np.testing.assert_allclose(
        trace.dX, x.grad.numpy(), rtol=0, atol=BAR * np.abs(x.grad.numpy()).max()
    )


@pytest.fixture
def jax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    return jax


@pytest.mark.parametrize(
    ("hidden", "loss", "output"),
    # Each compiles for a second, so each activation and loss is tested with one simple partner.
    [
        *[(hidden, "squared_error", "identity") for hidden in HIDDEN],
        *[("tanh", loss, output) for loss, output in PAIRS],
    ],
)
def test_jax_compiles_the_core_and_differentiates_its_cost(jax, hidden, loss, output):
    net, theta, X, Y = problem(hidden, loss, output)
    xp = jax_namespace()
    y = net.loss.prepare(Y, len(X), net.n_outputs, np.float64)
    w = np.linspace(0.5, 1.5, len(X)) / len(X)
    numpy_found = cost_and_grad(numpy_namespace(), net, theta, X, y, w)

    def core(theta):
        found = cost_and_grad(xp, net, theta, X, y, w)
        parts = [
            (found.dW if block.kind == "W" else found.db)[block.layer].ravel()
            for block in net.blocks
        ]
        return found.cost, jax.numpy.concatenate(parts)

    cost, grad = jax.jit(core)(theta)
    assert float(cost) == pytest.approx(float(numpy_found.cost), rel=1e-13)
    agree(net, np.asarray(grad), net.pack(numpy_found.dW, numpy_found.db))
    # JAX differentiates the value alone, so the derivative is independent of ours.
    automatic = jax.grad(lambda theta: cost_and_grad(xp, net, theta, X, y, w).cost)(theta)
    agree(net, np.asarray(grad), np.asarray(automatic))


def test_every_registered_activation_and_loss_has_an_oracle():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    assert set(torch_activations(torch)) == set(ACTIVATIONS.names())
    assert set(torch_losses(torch)) == set(LOSSES.names())
