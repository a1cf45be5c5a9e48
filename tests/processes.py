"""Other processes that tests start, and end in any case."""

import contextlib
import os
import subprocess
import sys


def in_a_process(code, **environment):
    """The words that a program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@contextlib.contextmanager
def started(code):
    """A process that has begun to train, on one thread, and has said so."""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            assert process.stdout.readline() == "training\n"
            yield process
        finally:
            process.kill()
