"""Networks exported to C: equality with the model on random networks, speed, and size.

    python -m benchmarks.c_export [DIR] [--networks 200] [--tables NAMES]

With DIR, a folder as ``python -m benchmarks.accuracy`` takes it, a fast portfolio is trained on
each of its tables; every member that learned the target itself, and a distilled network, is
exported and compared with the model on 400 rows, half of them with changed cells.

Each random network has one of the activations in its hidden layers and one of the losses with an
output that goes with it, in turn, and 0 to 6 hidden layers of random widths. Its export compiles
the program and compares it with ``Model.predict``; the largest error is printed as a share of the
tolerance, what 64 eps of Σ|w||a| + |b| at an output can change. A program that fails ends the run.

Then networks 4-16-16-1 are compiled by ``gcc -O3 -march=native``, and predict 4096 rows, one by
one, 100 times: the median and the best time of a row. Last, the bytes of some networks.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.accuracy import Table, find_tables
from deltarule import ACTIVATIONS, LOSSES, Model, Network
from deltarule.export import CProgram, to_c
from deltarule.export.c_compiler import CORTEX_M4
from deltarule.tables import infer_schema, read_table
from deltarule.tabular import fit_table

_TIMER = """\
#include "timed.h"
#include <stdio.h>
#include <time.h>

static float X[4096][4], Y[4096][1];

int main(void) {
  for (int i = 0; i < 4096; ++i)
    for (int k = 0; k < 4; ++k) X[i][k] = (float)((i * 7 + k * 13) % 101 - 50) / 25;
  for (int r = 0; r < 100; ++r) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < 4096; ++i) timed_predict(X[i], Y[i]);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.2f\\n", ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / 4096);
  }
  return 0;
}
"""


_MAIN = """\
#include "network.h"

volatile float in[NETWORK_N_INPUTS], result;

int main(void) {
  float x[NETWORK_N_INPUTS], out[NETWORK_N_OUTPUTS];
  for (int k = 0; k < NETWORK_N_INPUTS; ++k) x[k] = in[k];
  network_predict(x, out);
  result = out[0];
  return 0;
}
"""


def random_network(number: int) -> Model:
    """Return a network of random widths; its activation, loss and depth follow from the number."""
    random = np.random.default_rng(number)
    hidden = [each for each in ACTIVATIONS if each.elementwise]
    pairs = [(loss, g) for loss in LOSSES for g in ACTIVATIONS if loss.accepts(g)]
    loss, output = pairs[number % len(pairs)]
    widths = [int(n) for n in random.integers(1, 40, size=2 + number % 7)]
    widths[-1] = max(widths[-1] % 6, 2) * loss.outputs_per_target()
    net = Network(
        widths,
        activation=hidden[number % len(hidden)],
        output_activation=output,
        loss=loss,
        bias=number % 5 > 0,
        dtype=np.float32 if number % 3 else np.float64,
    )
    theta = net.initial(number)  # in which biases are 0
    theta += random.normal(scale=0.1, size=theta.shape).astype(net.dtype)
    # A deep network of exponentials would leave float32 at once.
    return Model(net, theta / 4 if net.activations[1].name == "exp" else theta)


def shares(count: int) -> list[float]:
    """Return, for each of so many networks, the largest error as a share of its tolerance."""
    found = []
    for number in range(count):
        program = to_c(random_network(number), rows=50)
        if program.tested is None:
            raise SystemExit("there is no C compiler")
        found.append(program.largest_share)
    return found


def table_shares(table: Table) -> dict[str, float]:
    """Return the largest error, as a share of its tolerance, of each network of a portfolio."""
    rows = read_table(table.path)
    schema = infer_schema(rows, table.target, task=table.task)
    model = fit_table(rows, schema, quality="fast")
    networks = {"distilled": model.distill(rows)}
    for member in model.members():
        if not member.configuration.log_target:
            name = member.configuration.name
            networks[name] = model.network(name)
    found = {}
    for name, network in networks.items():
        program = to_c(network, data=rows, rows=400)
        assert program.largest_share is not None, "there is no C compiler"
        found[name] = program.largest_share
    return found


def row_times(activation: str) -> list[float]:
    """Return the times of a row in nanoseconds, of 100 passes over 4096 rows."""
    net = Network([4, 16, 16, 1], activation=activation, dtype=np.float32)
    program = to_c(Model(net, net.initial(0)), name="timed")
    with tempfile.TemporaryDirectory() as folder:
        program.save(Path(folder, "timed"))
        Path(folder, "timed", "timer.c").write_text(_TIMER)
        command = ["gcc", "-O3", "-march=native", "timed.c", "timer.c", "-o", "timer", "-lm"]
        subprocess.run(command, cwd=Path(folder, "timed"), check=True)
        timer = str(Path(folder, "timed", "timer"))
        done = subprocess.run([timer], capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def linked_bytes(program: CProgram) -> str:
    """Return flash and RAM on a Cortex-M4 with all that a main needs that predicts one row."""
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        return "arm-none-eabi-gcc is not installed"
    flags = [*CORTEX_M4, "-std=c99", "-Os", "-ffunction-sections", "-fdata-sections"]
    flags += ["-Wl,--gc-sections", "--specs=nano.specs", "--specs=nosys.specs"]
    with tempfile.TemporaryDirectory() as folder:
        program.save(Path(folder, "network"))
        place = Path(folder, "network")
        (place / "main.c").write_text(_MAIN)
        command = [compiler, *flags, "network.c", "main.c", "-o", "network.elf", "-lm"]
        subprocess.run(command, cwd=place, check=True, capture_output=True)
        size = ["arm-none-eabi-size", "network.elf"]
        done = subprocess.run(size, cwd=place, check=True, capture_output=True, text=True)
    text, data, bss = map(int, done.stdout.splitlines()[1].split()[:3])
    return f"{text + data:,} bytes of flash, {data + bss:,} of static RAM"


def main() -> None:
    """Run all of it and print figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--tables", help="comma-separated names; all if not given")
    parser.add_argument("--networks", type=int, default=200)
    given = parser.parse_args()
    if given.folder is not None:
        tables = find_tables(given.folder)
        for name in given.tables.split(",") if given.tables else tables:
            of_table = table_shares(tables[name])
            largest = max(of_table, key=lambda each: of_table[each])
            print(
                f"{name}: {len(of_table)} networks equal; largest error {of_table[largest]:.3f} of "
                f"the tolerance ({largest})",
                flush=True,
            )
    count = given.networks
    if count:
        found = np.array(shares(count))
        print(
            f"{count} networks equal; error as a share of the tolerance: "
            f"median {np.median(found):.3f}, largest {found.max():.3f} (network {found.argmax()})"
        )
    for activation in ("relu", "tanh"):
        times = row_times(activation)
        least = f"{min(times):.0f} at best"
        print(f"4-16-16-1 {activation}: {median(times):.0f} ns a row (median), {least}")
    for widths in ([4, 16, 16, 1], [20, 128, 128, 1]):
        for activation in ("relu", "tanh", "silu"):
            net = Network(widths, activation=activation, dtype=np.float32)
            program = to_c(Model(net, net.initial(0)))
            name = f"{'-'.join(map(str, widths))} {activation}"
            for size in program.sizes:
                stack = "" if size.stack is None else f", {size.stack:,} of stack"
                print(f"{name}, {size.target}: {size.flash:,} bytes of flash{stack}")
            print(f"{name}, Cortex-M4 with a main and newlib: {linked_bytes(program)}")


if __name__ == "__main__":
    main()
