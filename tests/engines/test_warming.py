"""Compilation in advance, and its messages."""

import ctypes
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

from deltarule.engines.compiled import entry_code, kernel_cache, linker
from deltarule.engines.compiled.ir_builder import KernelBuilder
from deltarule.errors import FileError


def run(folder, *command):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"DELTARULE_CACHE": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


TRAIN = """
import numpy as np
from deltarule import Network, train
X = np.linspace(-1, 1, 20)[:, None]
print(train(Network([1, 3, 1]), X, X, epochs=1, engine="compiled").engine)
"""
# Its driver takes a second to compile, that of training ten.
PREDICT = """
import numpy as np
from deltarule import Network
from deltarule.engines import make_predictor
net = Network([1, 3, 1])
print(make_predictor(net, net.initial(0), "compiled")(np.zeros((1, 1))).size)
"""


@pytest.mark.slow
def test_code_compiled_in_advance_is_not_compiled_again(tmp_path):
    # Two of the three drivers take ten seconds each to compile: they are loaded if they are there.
    for module in ("entry_points", "row_entry_points"):
        for path in kernel_cache.cache_folder().glob(entry_code.file_name(module)):
            shutil.copy(path, tmp_path)
    first = run(tmp_path, "-m", "deltarule", "warmup", "--json")
    assert first.stderr.count("compiling for this processor, once") == 1
    assert str(tmp_path) in first.stderr
    report = json.loads(first.stdout)
    assert report["networks"] > 100
    assert report["folder"] == str(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = run(tmp_path, "-c", TRAIN)
    assert (again.stdout, again.stderr) == ("compiled\n", "")
    # A folder that can only be read would be enough: no file has changed.
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.slow
def test_without_a_usable_folder_code_is_compiled_in_memory(tmp_path):
    file = tmp_path / "file"
    file.write_text("no folder")
    done = run(file / "kernels", "-c", PREDICT)
    assert done.stdout == "1\n"


def test_a_read_only_folder_is_no_error(monkeypatch):
    saved = []

    def full(path, data):
        saved.append(path)
        raise FileError("read-only")

    monkeypatch.setattr(kernel_cache, "write_bytes", full)
    monkeypatch.setattr(kernel_cache, "_WRITE_ERRORS", [])

    def write(module):
        code = KernelBuilder(module, "twice", 1, np.float64)
        code.ret(code.sum(code.args[0], code.args[0]))

    twice = linker.Library(write)["twice"]
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(twice)(3) == 6
    assert len(saved) == 1
    assert kernel_cache.reason_not_kept() == "read-only"
