"""Kernels, the driver, and the names of their files in the cache."""

import ctypes
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from deltarule.engines.compiled import entry_code, kernel_cache, linker
from deltarule.engines.compiled.formula_kernels import write_activation
from deltarule.engines.compiled.linker import Library
from deltarule.engines.compiled.workspace import address_of, aligned
from deltarule.maths import Activation


def square(xp):
    return (lambda z: z * z), (lambda z, a: 2 * z)


def square_edited(xp):
    return (lambda z: z * z + 1), (lambda z, a: 2 * z)


def made(formula):
    record = Activation("square", formula)
    return Library(lambda module: write_activation(module, "float64", "activation", record))


def value_of(compiled, x):
    z = aligned(8, np.float64)
    z[:] = x
    kernel = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 5)(compiled["activation"])
    kernel(address_of(z), 0, 8, 1, 64)
    return z[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path))
    monkeypatch.setattr(linker, "_LINKED", {})
    # A process links a symbol once; a new execution engine makes it read the file again.
    monkeypatch.setattr(linker, "_linker", _Fresh.engine)
    return tmp_path


class _Fresh:
    made = None

    @classmethod
    def engine(cls):
        if cls.made is None:
            cls.renew()
        return cls.made

    @classmethod
    def renew(cls):
        cls.made = linker.new_linker()


def again(formula, monkeypatch):
    monkeypatch.setattr(linker, "_LINKED", {})
    _Fresh.renew()
    return made(formula)


def test_after_an_edit_of_a_formula_the_old_file_is_not_used(folder, monkeypatch):
    _Fresh.renew()
    first = made(square)
    assert not first.from_cache
    assert again(square, monkeypatch).from_cache
    edited = again(square_edited, monkeypatch)
    assert not edited.from_cache
    assert edited.digest != first.digest
    assert value_of(edited, 3.0) == 10
    assert len(list(folder.glob("*.kernels"))) == 2


def test_a_damaged_file_is_compiled_again(folder, monkeypatch):
    _Fresh.renew()
    made(square)
    (path,) = folder.glob("*.kernels")
    path.write_bytes(path.read_bytes()[:-9] + b"otherwise")
    repaired = again(square, monkeypatch)
    assert not repaired.from_cache
    assert value_of(repaired, 3.0) == 9


def test_the_digest_covers_text_processor_and_compiler(monkeypatch):
    before = linker.digest_of("a")
    assert linker.digest_of("b") != before
    monkeypatch.setattr(linker, "processor", lambda: ("another", ""))
    assert linker.digest_of("a") != before


def test_an_unusable_folder_is_no_error(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setenv(kernel_cache.VARIABLE, str(file / "kernels"))
    monkeypatch.setattr(linker, "_LINKED", {})
    monkeypatch.setattr(linker, "_linker", _Fresh.engine)
    _Fresh.renew()
    assert not made(square).from_cache


def test_the_digest_of_the_driver_covers_all_its_source_files(tmp_path, monkeypatch):
    folder = Path(entry_code.__file__).parent
    for name in entry_code._SOURCES:
        shutil.copy(folder / name, tmp_path)
    before = entry_code.source_digest(tmp_path)
    assert before == entry_code.source_digest() == entry_code._DIGEST
    for name in entry_code._SOURCES:
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text + "#")
        assert entry_code.source_digest(tmp_path) != before
        (tmp_path / name).write_text(text)
    named = entry_code.file_name("entry_points")
    assert entry_code.file_name("predict_driver") != named
    monkeypatch.setattr(entry_code, "_DIGEST", "another")
    assert entry_code.file_name("entry_points") != named
    monkeypatch.undo()
    assert entry_code.file_name("entry_points") == named
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")  # joblib sets it in its workers
    assert entry_code.file_name("entry_points") == named
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert entry_code.file_name("entry_points") != named


@pytest.mark.parametrize("name", entry_code._SOURCES)
def test_every_module_that_the_driver_imports_is_in_its_digest(name):
    folder = Path(entry_code.__file__).parent
    text = (folder / name).read_text(encoding="utf-8")
    imported = set(re.findall(r"from deltarule\.engines\.compiled\.(\w+) import", text))
    imported |= set(re.findall(r"from deltarule\.engines\.compiled import (\w+)", text))
    assert {f"{module}.py" for module in imported} <= set(entry_code._SOURCES)
