"""No engine call depends on earlier ones: all ordered pairs, in processes with a time limit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

SCRIPT = Path(__file__).with_name("call_pairs.py")


@pytest.mark.parametrize(
    ("dtype", "rule", "mode"),
    [
        ("float64", "adam", "free"),
        ("float32", "sgd", "free"),
        ("float64", "irprop+", "free"),
        ("float64", "adamw", "busy"),
        ("float64", "momentum", "interrupted"),
        pytest.param(
            "float64", "nesterov", "forked",
            marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
        ),
    ],
)  # fmt: skip
def test_all_ordered_pairs_of_calls(dtype, rule, mode):
    """A call that hangs ends the process after 100 s, with the stack of every thread."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(SCRIPT), dtype, rule, mode],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
