"""The JAX engine against PyTorch, on the device that each finds: rows per second of whole epochs.

``python benchmarks/jax_engine.py [--configs S,L] [--against eager,compile] [--rounds N]``

Each trains the same network from the same parameters with Adam on the squared error, on rows that
are on the device, in batches in order; the costs of the first epoch are compared before anything is
timed. ``eager`` and ``compile`` are PyTorch's (fused Adam; ``torch.compile`` of loss and gradient,
with CUDA graphs on a GPU), in float32 without TF32, and with bfloat16 autocast for ``bf16``. All
runs of a round are taken in turn. On a GPU the table has medians over the rounds; on a CPU, which
other work may share, the time is the process's own, on all its cores, and the table has the least.
``share`` is the arithmetic of the passes as a part of what the device does in a square matrix
product of the same precision, measured here. What is not installed is not run, and is listed with
the reason.

The configurations ``wide`` (4096, four layers, 8192 rows a step) and ``narrow`` (width 64, 11
hidden layers, 2^17 rows a step) are for a GPU; without one they take minutes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deltarule import Network, make_engine
from deltarule.engines import EngineSettings, Epoch
from deltarule.errors import MissingDependency

RATE = 1e-3


class Config(NamedTuple):
    """A network and its rows."""

    widths: list[int]
    batch: int
    rows: int


CONFIGS = {
    "S": Config([30, 64, 64, 2], 32, 8192),
    "L": Config([784, 512, 512, 10], 256, 16384),
    "wide": Config([4096] * 5, 8192, 32768),
    "narrow": Config([64] * 13, 2**17, 2**19),
}

Run = Callable[[], float]
"""One epoch, to the end of its arithmetic; returns the cost of its first step."""


def rows_of(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Normal inputs, and targets that can be learnt from them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((config.rows, config.widths[0]), dtype=np.float32)
    return X, np.tanh(X[:, : config.widths[-1]])


def deltarule_run(name: str, config: Config, devices: int | None) -> Run:
    """Epochs of an engine of this library."""
    net = Network(config.widths, "relu", dtype=np.float32)
    X, Y = rows_of(config)
    w = np.ones(len(X), np.float32)
    engine = make_engine(name)
    if devices is not None and name.startswith("jax"):
        engine = type(engine)(devices)  # type: ignore[call-arg]
    engine.load(net, net.initial(0), EngineSettings(rule="adam"))
    engine.load_data(X, Y, w)
    rates = np.full(-(-config.rows // config.batch), RATE)

    def epoch() -> float:
        steps = Epoch(X, Y, w, None, config.batch, rates, 1)
        return float(np.concatenate(list(engine.epoch(steps)))[0])

    return epoch


def torch_run(name: str, config: Config, bfloat16: bool) -> Run:
    """Epochs of PyTorch, eager or compiled."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = False
    net = Network(config.widths, "relu", dtype=np.float32)
    W, b = net.unpack(net.initial(0))
    modules: list[Any] = []
    for layer in range(1, net.n_layers + 1):
        linear = torch.nn.Linear(config.widths[layer - 1], config.widths[layer])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W[layer].copy()))
            linear.bias.copy_(torch.from_numpy(b[layer].copy()))
        modules += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules[:-1]).to(device)
    X, Y = (torch.from_numpy(part).to(device) for part in rows_of(config))
    adam = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)

    def cost(x: Any, y: Any) -> Any:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            output = model(x)
        return ((output.float() - y) ** 2).sum(dim=1).mean()

    if name == "compile":
        cost = torch.compile(cost, mode="reduce-overhead" if device == "cuda" else "default")

    def epoch() -> float:
        first = None
        for start in range(0, config.rows, config.batch):
            adam.zero_grad(set_to_none=True)
            found = cost(X[start : start + config.batch], Y[start : start + config.batch])
            found.backward()
            adam.step()
            # A copy, since a CUDA graph writes its results to the same memory again.
            first = found.detach().clone() if first is None else first
        if device == "cuda":
            torch.cuda.synchronize()
        return float(first)

    return epoch


def product_rate(bfloat16: bool, size: int, clock: Callable[[], float]) -> float:
    """Floating-point operations per second of a square matrix product under JAX."""
    import jax
    import jax.numpy as jnp

    a = jnp.ones((size, size), jnp.bfloat16 if bfloat16 else jnp.float32)
    product = jax.jit(
        lambda x: jnp.matmul(x, x, precision="highest", preferred_element_type=jnp.float32)
    )
    product(a).block_until_ready()
    took = []
    for _ in range(10):
        started = clock()
        product(a).block_until_ready()
        took.append(clock() - started)
    return 2.0 * size**3 / min(took)


def runs_of(config: Config, against: list[str], devices: int | None) -> dict[str, Run]:
    """Everything that is installed, after one epoch that is not timed."""
    makers: dict[str, Callable[[], Run]] = {
        "jax": lambda: deltarule_run("jax", config, devices),
        "eager": lambda: torch_run("eager", config, False),
        "compile": lambda: torch_run("compile", config, False),
        "jax bf16": lambda: deltarule_run("jax_bfloat16", config, devices),
        "eager bf16": lambda: torch_run("eager", config, True),
        "compile bf16": lambda: torch_run("compile", config, True),
        "compiled": lambda: deltarule_run("compiled", config, None),
    }
    runs, expected = {}, None
    for name, make in makers.items():
        if not name.startswith("jax") and name not in against:
            continue
        try:
            run = make()
        except (MissingDependency, ModuleNotFoundError) as error:
            print(f"{name}: not run, because {error}")
            continue
        cost = run()
        expected = cost if expected is None else expected
        if abs(cost - expected) > (0.02 if "bf16" in name else 1e-3) * abs(expected):
            raise SystemExit(f"{name} begins with the cost {cost}, the others with {expected}")
        runs[name] = run
    return runs


def timed(run: Run, seconds: float, clock: Callable[[], float]) -> float:
    """Seconds of an epoch: the mean of as many as take some time."""
    started, count = clock(), 0
    while not count or clock() - started < seconds:
        run()
        count += 1
    return (clock() - started) / count


def measure(config: Config, given: argparse.Namespace, on_cpu: bool) -> None:
    """Print the table of one configuration."""
    clock = time.process_time if on_cpu else time.perf_counter
    typical: Callable[[list[float]], float] = min if on_cpu else statistics.median
    runs = runs_of(config, given.against.split(","), given.devices)
    took: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(given.rounds):
        for name, run in runs.items():
            took[name].append(timed(run, given.seconds, clock))
    net = Network(config.widths)
    # Forward, and two products backward for each layer but the first, whose ∂C/∂x is not needed.
    products = 3 * net.n_multiply_adds - config.widths[0] * config.widths[1]
    size = min(max(config.widths[1], 256), 4096)
    rates = {kind: product_rate(kind, size, clock) for kind in (False, True)}
    print("                  rows/s   time / time of the JAX engine   share")
    for name, times in took.items():
        base = took["jax bf16" if "bf16" in name else "jax"]
        ratio = typical(times) / typical(base)
        speed = config.rows / typical(times)
        share = 2 * products * speed / rates["bf16" in name]
        print(f"{name:<14} {speed:10.3g}   {ratio:29.2f}   {share:5.2f}")


def main() -> None:
    """Measure the configurations that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configs", default="S,L", help=", ".join(CONFIGS))
    others = "eager,compile,eager bf16,compile bf16,compiled"
    parser.add_argument("--against", default=others, help=others)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--devices", type=int)
    given = parser.parse_args()
    engine = make_engine("jax")
    print(f"JAX computes on: {engine.device}")
    for name in given.configs.split(","):
        config = CONFIGS[name]
        print(f"{name}: {'-'.join(map(str, config.widths))}, {config.batch} rows a step")
        measure(config, given, engine.device == "cpu")


if __name__ == "__main__":
    main()
