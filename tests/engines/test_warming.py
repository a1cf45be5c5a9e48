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


def copy_kept(folder, wanted):
    """Copy what this machine's cache holds of these files, by their names."""
    for path in kernel_cache.cache_folder().iterdir():
        # Another process may write there: a hidden name is a file that is not yet whole.
        if wanted(path.name) and not path.name.startswith("."):
            shutil.copy(path, folder)


def names(folder):
    return {path.name for path in folder.iterdir()}


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
    needed, folder = tmp_path / "needed", tmp_path / "folder"
    needed.mkdir()
    # Two of the three drivers take ten seconds each to compile: they are loaded if they are there.
    drivers = [entry_code.file_name(module) for module in ("entry_points", "row_entry_points")]
    copy_kept(needed, lambda name: name in drivers)
    given = names(needed)
    run(needed, "-c", TRAIN)
    kernels = names(needed) - given - set(drivers)
    assert kernels
    # So are the kernels of all networks but this one.
    folder.mkdir()
    copy_kept(folder, lambda name: name in drivers or name.endswith(".kernels"))
    for name in kernels:
        (folder / name).unlink(missing_ok=True)
    first = run(folder, "-m", "deltarule", "warmup", "--json")
    assert kernels <= names(folder)
    assert first.stderr.count("compiling for this processor, once") == 1
    assert str(folder) in first.stderr
    report = json.loads(first.stdout)
    assert report["networks"] > 100
    assert report["folder"] == str(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = run(folder, "-c", TRAIN)
    assert (again.stdout, again.stderr) == ("compiled\n", "")
    # A folder that can only be read would be enough: no file has changed.
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == before


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
