"""What ``import deltarule`` costs beyond ``import numpy``.

Each measurement is a fresh interpreter; the two imports take turns, so that a
slow minute of the machine hits both. The smallest of many runs is reported:
it is what the import costs when nothing else is running.
"""

import argparse
import subprocess
import sys

CODE = (
    "import time; start = time.perf_counter(); {statement}; "
    "print(time.perf_counter() - start)"
)  # fmt: skip


def seconds(statement: str) -> float:
    """Seconds that a statement takes in a fresh interpreter."""
    command = [sys.executable, "-c", CODE.format(statement=statement)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    numpy, both, work = [], [], []
    for _ in range(runs):
        numpy.append(seconds("import numpy"))
        both.append(seconds("import numpy; import deltarule"))
        work.append(seconds("import numpy; from deltarule import Network, backprop, train"))
    least = min(numpy)
    print(f"best of {runs} runs, in milliseconds beyond NumPy's {1e3 * least:.0f}:")
    print(f"  import deltarule                                 {1e3 * (min(both) - least):7.1f}")
    print(f"  from deltarule import Network, backprop, train   {1e3 * (min(work) - least):7.1f}")


if __name__ == "__main__":
    main()
