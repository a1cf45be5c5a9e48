"""The number of threads leaves no trace in anything that training returns: not in histories,
losses, stopping or schedules either."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

SCRIPT = Path(__file__).with_name("thread_traces.py")


def traces(engine, threads, **environment):
    """The script's output by case; a script that hangs ends itself and prints its stack."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), engine],
        capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"DELTARULE_THREADS": str(threads)} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(line.split("\t") for line in done.stdout.splitlines())


def numbers(trace):
    """The numbers of a trace; digests are of bits, and engines differ in those."""
    words = [word for word in trace.replace("[", " ").replace("]", " ").split() if word[0] != "#"]
    return [float.fromhex(word) if word.lstrip("-").startswith("0x") else word for word in words]


@pytest.fixture(scope="module")
def alone():
    return traces("compiled", 1, OMP_NUM_THREADS="1")


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_gives_the_same_bits(alone, threads):
    # BLAS, which SciPy's lbfgs uses, may have as many, too.
    names = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    together = traces("compiled", threads, **dict.fromkeys(names, str(threads)))
    assert len(alone) > 10
    assert {name for name in alone if alone[name] != together[name]} == set()


def test_the_traces_agree_with_the_reference_engine(alone):
    right = traces("reference", 1)
    assert len(right) > 10
    for name, trace in right.items():
        got, wanted = numbers(alone[name]), numbers(trace)
        assert len(got) == len(wanted), name
        for a, b in zip(got, wanted, strict=True):
            if isinstance(b, float):
                assert a == pytest.approx(b, rel=1e-8, abs=1e-10), name
            else:
                assert a == b, name
