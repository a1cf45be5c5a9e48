"""Speed and memory of reading a table: from a file to the columns that are encoded.

``python benchmarks/reading.py [--rows N] [--repeats N] [--against FOLDER]``

A table of 18 numbers, a text of 31 levels, an integer and a target of two texts is written as CSV
and as Parquet into a temporary folder, and read in a process of its own: ``read_table``,
``infer_schema`` and ``apply_schema``. With ``--against``, the folder of another checkout with an
environment of its own, the two are run in turns. The least time of the repeats counts. Memory is
the peak of the process less what the imports take, in multiples of the table as float32. The speed
of Parquet is by its size as float64.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

_COLUMNS = 21
_READER = """
import json, resource, sys, time
import duckdb
from deltarule.tables import apply_schema, infer_schema, read_table
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
before, start = resident(), time.perf_counter()
table = read_table(sys.argv[1])
read = time.perf_counter() - start
apply_schema(infer_schema(table, "y"), table)
seconds = time.perf_counter() - start
# Not ru_maxrss, which begins with the memory of the process that started this one.
status = open("/proc/self/status").read()
peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 - before
print(json.dumps({"read": read, "typed": seconds, "peak": peak}))
"""


def write_files(folder: Path, rows: int) -> dict[str, Path]:
    """Write the table of so many rows as CSV and as Parquet."""
    import duckdb

    numbers = ", ".join(
        f"round(random() * {10 ** (k % 4 + 1)} - 5, 6) AS x{k}" for k in range(_COLUMNS - 3)
    )
    connection = duckdb.connect()
    connection.execute(
        f"CREATE TABLE t AS SELECT {numbers}, 'level ' || (random() * 30)::INT AS town, "
        "(random() * 9)::INT AS grade, if(random() < 0.5, 'yes', 'no') AS y "
        f"FROM range({rows})"
    )
    files = {kind: folder / f"table.{kind}" for kind in ("csv", "parquet")}
    for path in files.values():
        connection.execute(f"COPY t TO '{path}'")
    connection.close()
    return files


def measure(python: str, path: Path) -> dict[str, float]:
    """Read a file in a process of its own: seconds, and the bytes of its peak."""
    command = [python, "-c", _READER, str(path)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print a line for each file and checkout."""
    parser = argparse.ArgumentParser(description="Speed and memory of reading a table.")
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    checkouts = {"this": sys.executable}
    if options.against is not None:
        checkouts["other"] = str(options.against.absolute() / ".venv" / "bin" / "python")
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in write_files(Path(folder), options.rows).items():
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
            for _ in range(options.repeats):
                for name, python in checkouts.items():
                    runs[name].append(measure(python, path))
            size = path.stat().st_size if kind == "csv" else options.rows * _COLUMNS * 8
            for name, found in runs.items():
                least = {key: min(run[key] for run in found) for key in found[0]}
                multiple = least["peak"] / (options.rows * _COLUMNS * 4)
                print(
                    f"{kind:8}{name:6} read {least['read']:6.2f} s "
                    f"({size / least['read'] / 1e6:.0f} MB/s), typed {least['typed']:6.2f} s, "
                    f"peak {multiple:.1f} x the float32 table",
                    flush=True,
                )


if __name__ == "__main__":
    main()
