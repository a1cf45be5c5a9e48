"""A tiny config, and made-up times."""

from benchmarks.comparison import Comparison, Config, Result, Scaling, Timing

TINY = Config("tiny", (3, 5, 4, 2), batch_rows=8, rows=32)
TANH = Config("tiny tanh", (3, 5, 1), batch_rows=32, rows=32, activation="tanh")

WHERE = {
    "processor": "a processor",
    "cores": 2,
    "system": "a system",
    "python": "3.11.7",
    "date": "2025-01-31T12:00:00+00:00",
    "load": 0.5,
}


def comparison():
    """Two libraries on one config, and one that is not there."""
    timings = {
        "deltarule": Timing((2e-6, 4e-6, 3e-6), 7, (2.0, 1.0)),
        "torch": Timing((2e-4, 4e-4, 6e-4), 1, (2.0, 1.0)),
    }
    return Comparison(
        threads=2,
        rounds=3,
        circumstances=dict(WHERE),
        versions={
            "deltarule": {"deltarule": "0.1.0", "engine": "compiled", "NumPy": "2.4"},
            "torch": {"PyTorch": "2.13"},
        },
        not_run={"jax": "because jax is not installed (pip install jax)"},
        results=[Result(TINY, timings)],
    )


def growth():
    """Two sizes on one axis."""
    axes = {"width": {n: Config(f"w{n}", (2, n, 1), 4, 8) for n in (4, 8)}}
    seconds = {"w4": [1e-6, 2e-6, 3e-6], "w8": [3e-6, 3e-6, 3e-6]}
    return Scaling(1, 3, dict(WHERE), {"deltarule": "0.1.0", "engine": "compiled"}, axes, seconds)
