"""Training on a table larger than memory: speed of packing and training, and the peak of memory.

    python -m benchmarks.out_of_core --rows 1e6 --columns 100 --memory 2GB

makes a Parquet file of random numbers (unless it is there), trains 100-128-64-1 on it by
``deltarule fit --memory`` in another process, whose resident memory is read from /proc, and prints:

- the rate of packing, in MB/s of float32 inputs, and of the passes before it;
- the rows per second of training from the store, and of training in memory with the same network
  and batches, taken in turn in one process (on a part of the rows that fits into memory);
- the peak of resident memory.

``--kills N`` kills the process N times at random moments, goes on, and compares the parameters with
those of a run that was not disturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.kills import processor_seconds
from deltarule import Network, train
from deltarule.tables import open_store
from deltarule.tabular import TableModel

_GROUP = 1 << 17


def make_table(path: Path, rows: int, columns: int) -> None:
    """Write a Parquet file of normal numbers and a target that depends on them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    names = [*(f"x{i}" for i in range(columns)), "y"]
    weights = rng.normal(size=columns).astype(np.float32) / np.float32(np.sqrt(columns))
    schema = pa.schema([(name, pa.float32()) for name in names])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, _GROUP):
            n = min(_GROUP, rows - start)
            X = rng.standard_normal((columns, n), dtype=np.float32)
            y = np.tanh(weights @ X) + np.float32(0.1) * rng.standard_normal(n, dtype=np.float32)
            arrays = [*map(pa.array, X), pa.array(y)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def command_of(arguments: argparse.Namespace, folder: Path, name: str, *more: str) -> list[str]:
    """The command that fits a model of this name, with its store."""
    return [
        sys.executable, "-m", "deltarule", "fit", str(folder / "table.parquet"), "--target", "y",
        "--memory", arguments.memory, "--epochs", str(arguments.epochs), "--batch-size", "256",
        "--layers", "128,64", "--seed", "1", "--store", str(folder / f"{name}.rows"),
        "--out", str(folder / f"{name}.model"), "--force", *more,
    ]  # fmt: skip


def run(command: list[str], phases: dict[str, float] | None = None) -> float:
    """Run a command; return the peak of its resident memory in MB, and fill in its phases.

    The store's files say when a phase begins: the folder is made when packing begins, and its
    header says "complete" when training does.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    header = Path(command[command.index("--store") + 1]) / "store.json"
    before = header.exists()
    started = time.perf_counter()
    while process.poll() is None:
        with contextlib.suppress(OSError):
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM"):
                    peak = max(peak, int(line.split()[1]))
        if phases is not None and not before:
            now = time.perf_counter() - started
            began = {"packing": header.exists()}
            began["training"] = began["packing"] and "complete" in header.read_text()
            for name in (each for each, has in began.items() if has and each not in phases):
                with contextlib.suppress(OSError):
                    phases[name], phases[f"{name} cpu"] = now, processor_seconds(process.pid)
        time.sleep(0.005)
    _, error = process.communicate()
    if process.returncode:
        raise SystemExit(error.decode())
    return peak / 1000


def rates(store: Path, most_rows: int, repeats: int) -> Iterator[tuple[str, float, float]]:
    """Rows per second, and per second of processor time, from the store and in memory, in turn."""
    rows = open_store(store)["train"]
    few, count = 0, 0
    while few < len(rows.blocks) and count < most_rows:
        count, few = count + rows.blocks[few].rows, few + 1
    rows.blocks = rows.blocks[:few]
    rows.n_rows, rows.starts = count, rows.starts[: few + 1]
    rows.total_weight = float(count)
    X, Y = np.empty((count, rows.n_inputs), np.float32), np.empty((count, 1), np.float32)
    for index in range(few):
        part = slice(int(rows.starts[index]), int(rows.starts[index + 1]))
        rows.read_block(index, X[part], Y[part], None)
    net = Network([rows.n_inputs, 128, 64, 1], activation="relu", dtype=np.float32)
    options = {"batch_size": 256, "epochs": 3, "guard": "off", "averaging": 0.99}
    for repeat in range(repeats + 1):
        for name, given in (("store", (rows,)), ("memory", (X, Y))):
            started = time.process_time()
            result = train(net, *given, **options)
            busy = time.process_time() - started
            seconds = min(log.seconds for log in result.history.logs)
            if repeat:  # the first time, kernels are loaded
                yield name, count / seconds, 3 * count / busy


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--in-memory-rows", type=float, default=1e6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("out_of_core"))
    arguments = parser.parse_args()
    folder, rows = arguments.folder, int(arguments.rows)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "table.parquet"
    if not table.exists():
        make_table(table, rows, arguments.columns)
    decoded = rows * arguments.columns * 4 / 1e6
    print(f"{rows:,} rows of {arguments.columns} float32: {decoded:,.0f} MB decoded, ", end="")
    print(f"{table.stat().st_size / 1e6:,.0f} MB of Parquet; --memory {arguments.memory}")
    shutil.rmtree(folder / "whole.rows", ignore_errors=True)
    phases: dict[str, float] = {}
    started = time.perf_counter()
    peak = run(command_of(arguments, folder, "whole"), phases)
    seconds = time.perf_counter() - started
    packing = phases["training"] - phases["packing"]
    busy = phases["training cpu"] - phases["packing cpu"]
    print(f"sample and statistics {phases['packing']:.1f} s, packing {packing:.1f} s ", end="")
    print(f"({decoded / packing:.0f} MB/s; {decoded / busy:.0f} MB a processor second), ", end="")
    print(f"in all {seconds:.1f} s; peak {peak:.0f} MB resident")
    found: dict[str, list[tuple[float, float]]] = {}
    for name, *rate in rates(
        folder / "whole.rows", int(arguments.in_memory_rows), arguments.repeats
    ):
        found.setdefault(name, []).append((rate[0], rate[1]))
    medians = {name: np.median(each, axis=0) for name, each in found.items()}
    for name, each in found.items():
        shown = ", ".join(f"{rate:,.0f}" for rate, _ in each)
        print(f"training from {name}: {shown} rows/s; {medians[name][1]:,.0f} a processor second")
    ratio = medians["store"] / medians["memory"]
    print(f"store / memory: {ratio[0]:.2f}, by processor time {ratio[1]:.2f}")
    if arguments.kills:
        kill(arguments, folder, seconds)


def kill(arguments: argparse.Namespace, folder: Path, seconds: float) -> None:
    """Kill a fit at random moments, until it ends; compare it with the undisturbed one."""
    generator = random.Random(0)
    for name in ("killed.rows", "killed.model", "killed.checkpoint"):
        shutil.rmtree(folder / name, ignore_errors=True)
    more = ("--checkpoint", str(folder / "killed.checkpoint"), "--every", "0.2s")
    command, kills = command_of(arguments, folder, "killed", *more), 0
    while kills < arguments.kills:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(generator.uniform(0.2, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        else:
            shutil.rmtree(folder / "killed.checkpoint", ignore_errors=True)
            if generator.random() < 0.5:
                shutil.rmtree(folder / "killed.rows", ignore_errors=True)
        process.communicate()
    run(command)
    models = [TableModel.load(folder / f"{name}.model") for name in ("whole", "killed")]
    same = (models[0].model.theta == models[1].model.theta).all()  # type: ignore[attr-defined]
    print(f"killed {kills} times: {'the same bits' if same else 'OTHER PARAMETERS'}")


if __name__ == "__main__":
    main()
