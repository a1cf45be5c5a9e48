"""The time of a forward and a backward pass, relative to that of the forward pass alone.

Claim 11 of the mathematics: backpropagation gives as many gradients as there
are weights for a small constant times the cost of the forward pass, whatever
their number. Counting multiply-adds, the backward pass does twice the work of
the forward pass (for each layer one product for the weights and one
for the delta of the layer before), so the ratio of both passes to the forward
pass alone tends to 3 for large layers. For comparison the cost of
one central difference per weight is printed: two forward passes for each.

The two are measured in turn and their medians compared, so that other work on
the machine slows both alike.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from deltarule.maths import Network, backprop, forward

CASES = [
    ([4, 8, 1], 32),
    ([4, 32, 32, 1], 32),
    ([30, 64, 64, 2], 32),
    ([64, 256, 256, 10], 128),
    ([256, 512, 512, 512, 10], 128),
    ([512, 1024, 1024, 10], 256),
]


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Seconds per call, from ``repeats`` consecutive calls."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def measure(widths: list[int], rows: int, rounds: int) -> tuple[int, float, float, float]:
    """Parameters, seconds of a forward pass, seconds of both passes, and their ratio."""
    rng = np.random.default_rng(0)
    net = Network(widths, activation="tanh")
    theta = net.initial(0)
    X = rng.standard_normal((rows, widths[0]))
    Y = rng.standard_normal((rows, widths[-1]))

    def one() -> object:
        return forward(net, theta, X)

    def both() -> object:
        return backprop(net, theta, X, Y)

    one(), both()
    repeats = max(1, int(0.01 / seconds(both, 1)))
    ahead, there_and_back, ratios = [], [], []
    for _ in range(rounds):
        a, b = seconds(one, repeats), seconds(both, repeats)
        ahead.append(a)
        there_and_back.append(b)
        ratios.append(b / a)
    median = statistics.median
    return theta.size, median(ahead), median(there_and_back), median(ratios)


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    print("widths                     rows  parameters  forward µs  both µs  both/forward  "
          "differences would take")  # fmt: skip
    for widths, rows in CASES:
        count, ahead, both, ratio = measure(widths, rows, rounds)
        name = "-".join(map(str, widths))
        print(f"{name:<26} {rows:4d}  {count:10,d}  {1e6 * ahead:10.0f} {1e6 * both:8.0f}  "
              f"{ratio:12.2f}  {2 * count * ahead:16,.1f} s")  # fmt: skip


if __name__ == "__main__":
    main()
