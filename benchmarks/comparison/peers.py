"""The libraries that are compared, each training the same network with the same rule.

½ Σ (a − y)², summed over outputs and averaged over the rows of a step; Adam; float32; batches
in the order of the rows. (scikit-learn, and deltarule's estimator as its drop-in, add Adam's
epsilon before the moments are corrected, the others after it.) Each is written as its own
users write it where speed matters. The libraries are optional and large, so each is imported
where its class is made, in a process that imports no other.
"""

from __future__ import annotations

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from benchmarks.comparison.configs import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Config

__all__ = ["CLOCKS", "PEERS", "Parameters", "Peer"]

Parameters = list[tuple[np.ndarray, np.ndarray]]
"""Weights (n_in, n_out) and biases of each layer."""


class Peer(ABC):
    """A library with a network of a config.

    Parameters
    ----------
    config : Config
    threads : int
        The number of threads that the environment is set to; some libraries need it as an argument.
    engine : str
        deltarule's engine; the others have none.
    """

    clock: ClassVar[str] = "wall"
    """The clock of all peers of a process; see ``CLOCKS``."""

    title: ClassVar[str]
    install: ClassVar[str]
    # Whether matrix products have bfloat16 operands, so that losses agree in fewer digits.
    bfloat16: ClassVar[bool] = False
    # Whether a call of train has a constant cost besides that of its epochs.
    sets_up: ClassVar[bool] = False

    def __init__(self, config: Config, threads: int, engine: str) -> None:
        self.config, self.threads, self.engine = config, threads, engine
        self.X, self.Y = config.data()
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Import the library and hand the network and the data over."""

    @abstractmethod
    def train(self, epochs: int) -> float:
        """Train from the initial parameters, and return the seconds that it took."""

    @abstractmethod
    def parameters(self) -> Parameters:
        """The parameters at the end of the last training."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The versions of the libraries that are measured."""

    def _batches(self) -> range:
        return range(0, self.config.rows, self.config.batch_rows)


CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
"""The clocks by which peers may be timed, in seconds; the second counts those of all threads."""


def _seconds(call: Callable[[], Any]) -> float:
    clock = CLOCKS[Peer.clock]
    started = clock()
    call()
    return clock() - started


def _numpy() -> str:
    """NumPy's version, and that of its BLAS."""
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    name = f"{blas.get('name', '')} {blas.get('version', '')}".strip()
    return f"{np.__version__} ({name})" if name else np.__version__


class _Estimator(Peer):
    """The common code of scikit-learn's MLPRegressor and deltarule's, which have one interface."""

    sets_up = True

    def _settings(self) -> dict[str, Any]:
        return {
            "hidden_layer_sizes": self.config.widths[1:-1],
            "activation": self.config.activation,
            "solver": "adam",
            "alpha": 0.0,
            "batch_size": self.config.batch_rows,
            "learning_rate_init": LEARNING_RATE,
            "beta_1": BETA_1,
            "beta_2": BETA_2,
            "epsilon": EPSILON,
            "shuffle": False,
            # It never stops early.
            "tol": 0.0,
            "n_iter_no_change": np.inf,
        }

    def _targets(self) -> np.ndarray:
        return self.Y[:, 0] if self.Y.shape[1] == 1 else self.Y

    def parameters(self) -> Parameters:
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))

    model: Any


class Deltarule(_Estimator):
    """deltarule as its users call it: ``MLPRegressor(...).fit(X, y)``."""

    title = "deltarule"
    install = "deltarule"

    def _prepare(self) -> None:
        from deltarule.engines import make_engine
        from deltarule.estimators import MLPRegressor

        self.engine_name = make_engine(self.engine).name
        coefs, intercepts = zip(*self.config.initial(), strict=True)
        self.model = MLPRegressor(
            **self._settings(),
            initial_weights=(list(coefs), list(intercepts)),
            engine=self.engine,
        )

    def train(self, epochs: int) -> float:
        self.model.set_params(max_iter=epochs)
        return _seconds(lambda: self.model.fit(self.X, self._targets()))

    def versions(self) -> dict[str, str]:
        from deltarule._version import __version__

        return {"deltarule": __version__, "engine": self.engine_name, "NumPy": _numpy()}


class Reference(Deltarule):
    """deltarule with the reference engine."""

    title = "deltarule (reference)"

    def __init__(self, config: Config, threads: int, engine: str) -> None:
        super().__init__(config, threads, "reference")


class DeltaruleBfloat16(Deltarule):
    """deltarule with matrix products of bfloat16."""

    title = "deltarule, bfloat16"
    bfloat16 = True

    def __init__(self, config: Config, threads: int, engine: str) -> None:
        super().__init__(config, threads, "compiled_bfloat16")


class ScikitLearn(_Estimator):
    """scikit-learn's MLPRegressor."""

    title = "scikit-learn"
    install = "scikit-learn"

    def _prepare(self) -> None:
        from sklearn.neural_network import MLPRegressor

        rows = slice(self.config.batch_rows)
        # With warm_start a fit goes on from coefs_ and intercepts_, which are set in `train`:
        # there is no parameter for initial weights. Adam starts anew in every fit.
        self.model = MLPRegressor(**self._settings(), warm_start=True, max_iter=1)
        self.model.partial_fit(self.X[rows], self._targets()[rows])

    def train(self, epochs: int) -> float:
        coefs, intercepts = zip(*self.config.initial(), strict=True)
        self.model.coefs_, self.model.intercepts_ = list(coefs), list(intercepts)
        self.model.set_params(max_iter=epochs)
        return _seconds(lambda: self.model.fit(self.X, self._targets()))

    def versions(self) -> dict[str, str]:
        import sklearn

        return {"scikit-learn": sklearn.__version__, "NumPy": _numpy()}


class PyTorch(Peer):
    """PyTorch as it is usually written: eager, with the fused Adam."""

    title = "PyTorch"
    install = "torch"

    def _prepare(self) -> None:
        import torch

        self.torch: Any = torch
        torch.set_num_threads(self.threads)
        kind = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[self.config.activation]
        modules: list[Any] = []
        for W, _ in self.config.initial():
            modules += [torch.nn.Linear(*W.shape), kind()]
        self.net = torch.nn.Sequential(*modules[:-1])
        self.linear = modules[::2]
        self.tX, self.tY = torch.from_numpy(self.X), torch.from_numpy(self.Y)

    def train(self, epochs: int) -> float:
        torch = self.torch
        with torch.no_grad():
            for layer, (W, b) in zip(self.linear, self.config.initial(), strict=True):
                layer.weight.copy_(torch.from_numpy(W.T))
                layer.bias.copy_(torch.from_numpy(b))
        adam = torch.optim.Adam(
            self.net.parameters(),
            lr=LEARNING_RATE,
            betas=(BETA_1, BETA_2),
            eps=EPSILON,
            fused=True,
        )
        return _seconds(lambda: self._epochs(epochs, adam))

    def _epochs(self, epochs: int, adam: Any) -> None:
        net, X, Y, n = self.net, self.tX, self.tY, self.config.batch_rows
        rounded = functools.partial(
            self.torch.autocast, "cpu", self.torch.bfloat16, enabled=self.bfloat16
        )
        for _ in range(epochs):
            for i in self._batches():
                adam.zero_grad(set_to_none=True)
                with rounded():
                    a = net(X[i : i + n])
                loss = 0.5 * ((a - Y[i : i + n]) ** 2).sum(1).mean()
                loss.backward()
                adam.step()

    def parameters(self) -> Parameters:
        return [
            (layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in self.linear
        ]

    def versions(self) -> dict[str, str]:
        return {"PyTorch": str(self.torch.__version__)}


class PyTorchBfloat16(PyTorch):
    """PyTorch with autocast to bfloat16: float32 parameters, products of bfloat16.

    With parameters and Adam in bfloat16 too it does not train alike: small updates round to 0, and
    after a few steps the loss has fallen by a seventh less.
    """

    title = "PyTorch, bfloat16"
    bfloat16 = True


class Jax(Peer):
    """JAX: an epoch is one compiled scan over its batches."""

    title = "JAX"
    install = "jax"

    def _prepare(self) -> None:
        import jax

        self.jax: Any = jax
        batches = (self.config.steps, self.config.batch_rows, -1)
        self.batches = (
            jax.numpy.array(self.X.reshape(batches)),
            jax.numpy.array(self.Y.reshape(batches)),
        )
        self.epoch = jax.jit(self._epoch, donate_argnums=0)
        self.result: Any = None

    def _loss(self, parameters: Any, x: Any, y: Any) -> Any:
        hidden = self.jax.nn.relu if self.config.activation == "relu" else self.jax.numpy.tanh
        for number, (W, b) in enumerate(parameters, start=1):
            x = self._product(x, W) + b
            if number < len(parameters):
                x = hidden(x)
        return 0.5 * ((x - y) ** 2).sum(1).mean()

    def _product(self, x: Any, W: Any) -> Any:
        return x @ W

    def _step(self, carry: Any, batch: Any) -> Any:
        jnp, each = self.jax.numpy, self.jax.tree.map
        p, m, v, t = carry
        g = self.jax.grad(self._loss)(p, *batch)
        t = t + 1
        m = each(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, g)
        v = each(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, g)
        rate, c2 = LEARNING_RATE / (1 - BETA_1**t), 1 - BETA_2**t
        p = each(lambda p, m, v: p - rate * m / (jnp.sqrt(v / c2) + EPSILON), p, m, v)
        return (p, m, v, t), None

    def _epoch(self, carry: Any, xs: Any, ys: Any) -> Any:
        return self.jax.lax.scan(self._step, carry, (xs, ys))[0]

    def train(self, epochs: int) -> float:
        jnp, each = self.jax.numpy, self.jax.tree.map
        p = each(jnp.array, self.config.initial())
        carry = (p, each(jnp.zeros_like, p), each(jnp.zeros_like, p), jnp.float32(0))
        # JAX is asynchronous: the time runs from when all inputs are ready until the result is.
        self.jax.block_until_ready(carry)
        return _seconds(lambda: self._epochs(epochs, carry))

    def _epochs(self, epochs: int, carry: Any) -> None:
        for _ in range(epochs):
            carry = self.epoch(carry, *self.batches)
        self.result = self.jax.block_until_ready(carry)

    def parameters(self) -> Parameters:
        return [(np.asarray(W), np.asarray(b)) for W, b in self.result[0]]

    def versions(self) -> dict[str, str]:
        return {"JAX": str(self.jax.__version__)}


class JaxBfloat16(Jax):
    """JAX with products of bfloat16 and float32 sums; its backward pass has the same."""

    title = "JAX, bfloat16"
    bfloat16 = True

    def _product(self, x: Any, W: Any) -> Any:
        jnp = self.jax.numpy
        x, W = x.astype(jnp.bfloat16), W.astype(jnp.bfloat16)
        return jnp.matmul(x, W, preferred_element_type=jnp.float32)


def _adam(p: Any, g: Any, m: Any, v: Any, rate: Any, c2: Any) -> None:
    f = np.float32
    m *= f(BETA_1)
    m += f(1 - BETA_1) * g
    v *= f(BETA_2)
    v += f(1 - BETA_2) * g * g
    p -= rate * m / (np.sqrt(v * c2) + f(EPSILON))


class PlainNumPy(Peer):
    """The textbook's loop in NumPy."""

    title = "NumPy"
    install = "numpy"

    def _prepare(self) -> None:
        self.theta: Parameters = []

    def train(self, epochs: int) -> float:
        self.theta = self.config.initial()
        return _seconds(lambda: self._epochs(epochs))

    def _epochs(self, epochs: int) -> None:
        f, n, last = np.float32, self.config.batch_rows, len(self.theta) - 1
        relu = self.config.activation == "relu"
        moments = [[(np.zeros_like(a), np.zeros_like(a)) for a in pair] for pair in self.theta]
        t = 0
        for _ in range(epochs):
            for i in self._batches():
                A = [self.X[i : i + n]]
                for layer, (W, b) in enumerate(self.theta):
                    z = A[-1] @ W + b
                    if layer < last:
                        (np.maximum(z, 0, out=z) if relu else np.tanh(z, out=z))
                    A.append(z)
                delta = (A[-1] - self.Y[i : i + n]) * f(1 / n)
                t += 1
                rate, c2 = f(LEARNING_RATE / (1 - BETA_1**t)), f(1 / (1 - BETA_2**t))
                for layer in range(last, -1, -1):
                    W, _ = pair = self.theta[layer]
                    gradients = A[layer].T @ delta, delta.sum(axis=0)
                    if layer:
                        a = A[layer]
                        delta = (delta @ W.T) * ((a > 0) if relu else (1 - a * a))
                    for p, g, (m, v) in zip(pair, gradients, moments[layer], strict=True):
                        _adam(p, g, m, v, rate, c2)

    def parameters(self) -> Parameters:
        return self.theta

    def versions(self) -> dict[str, str]:
        return {"NumPy": _numpy()}


PEERS: dict[str, type[Peer]] = {
    "deltarule": Deltarule,
    "sklearn": ScikitLearn,
    "torch": PyTorch,
    "jax": Jax,
    "numpy": PlainNumPy,
    "reference": Reference,
    "bfloat16": DeltaruleBfloat16,
    "torch_bfloat16": PyTorchBfloat16,
    "jax_bfloat16": JaxBfloat16,
}
"""The libraries, by the names that ``--against`` takes; deltarule is always measured."""
