"""Reads mutated model files, and stops at the first that is not refused as it should be.

    python -m benchmarks.fuzz_models --count 1000000 --seed 0

A file must be refused with a ``ModelFileError`` or give a model that says what the file says,
within a second, and no more than 1 GiB of memory may be used. Exceptions that no check has foreseen
are raised here, as are warnings.
"""

from __future__ import annotations

import argparse
import collections
import random
import resource
import shutil
import tempfile
import time
import warnings
from pathlib import Path

from benchmarks.model_mutations import check, mutated, subjects
from deltarule.files import reading_errors

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
_MOST_SECONDS, _MOST_KIB = 1.0, 1 << 20
# How often each subject is chosen: a portfolio takes much longer than a network.
WEIGHTS = (5, 3, 4, 2, 5, 1)


def fuzz(count: int, seed: int, folder: Path, *, keep_going: bool = False) -> collections.Counter:
    """Read ``count`` mutated files; return how often each kind was refused, read or wrong."""
    found: collections.Counter = collections.Counter()
    slowest, started = 0.0, time.perf_counter()
    all_subjects = subjects(GOLDEN)
    rows = {"x": [0.5, None], "day": ["2024-01-01", "2024-05-05"], "town": ["Bonn", "Rom"]}
    rows |= {"y": [1.0, 2.0], "kind": ["a", "b"]}
    reading_errors.reraise_unexpected = True
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        subject = rng.choices(all_subjects, WEIGHTS)[0]
        kind, content = mutated(subject, rng)
        path = folder / "m.deltarule"
        if isinstance(content, dict):
            path = folder / "m"
            shutil.rmtree(path, ignore_errors=True)
            for name, data in content.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(data)
        else:
            path.write_bytes(content)
        # A portfolio would compile code for its networks.
        table = rows if rng.random() < 0.1 and subject.name == "table" else None
        begun = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                outcome = check(subject, path, folder / "again.deltarule", table)
            seconds = time.perf_counter() - begun
            slowest = max(slowest, seconds)
            if seconds > _MOST_SECONDS:
                # The clock of a machine that others use: it counts if it is slow twice.
                begun = time.process_time()
                check(subject, path, folder / "again.deltarule", table)
                if time.process_time() - begun > _MOST_SECONDS:
                    raise AssertionError(f"took {seconds:.2f} s")
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > _MOST_KIB:
                raise AssertionError("more than 1 GiB of memory")
        except Exception as error:
            print(
                f"{number} of seed {seed}, {subject.name}, {kind}: {type(error).__name__}: ", end=""
            )
            print(str(error)[:300].encode("ascii", "backslashreplace").decode(), flush=True)
            if not keep_going:
                raise
            outcome = "WRONG"
        found[outcome] += 1
        if (number + 1) % 10_000 == 0:
            mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            per = (time.perf_counter() - started) / (number + 1)
            print(
                f"{number + 1:,}: {dict(found)}, slowest {slowest:.2f} s, {1000 * per:.2f} ms "
                f"each, {mib:.0f} MiB",
                flush=True,
            )
    return found


def main() -> None:
    """Read the number of files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-going", action="store_true")
    given = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        found = fuzz(given.count, given.seed, Path(folder), keep_going=given.keep_going)
    print(f"{given.count:,} files: {dict(found)}")


if __name__ == "__main__":
    main()
