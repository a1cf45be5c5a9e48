"""A process may end, or the disk may be full, at every write of a command and of the code's cache.

What a command computes before it writes is computed once and kept: only the writing is repeated.
"""

import contextlib
import functools
import gzip
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from tests.cli.conftest import FAST, NUMBERS
from tests.fault_points import Points, hidden_names, in_a_fork, points_of

from deltarule.cli.status import Status, execute
from deltarule.engines.compiled import kernel_cache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and Linux's renames")

WHATS = ("kill", "fail", "full")


@pytest.fixture(autouse=True)
def no_flush(monkeypatch):
    """Flushing to the disk takes most of the time, and changes nothing here."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


@pytest.fixture
def tmp_path(memory_path):
    """In memory: no disk is waited for thousands of times."""
    return memory_path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A table, the same packed, and a model of it that needs no threads."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "t.csv").write_text(NUMBERS)
    (folder / "t.csv.gz").write_bytes(gzip.compress(NUMBERS.encode(), mtime=0))
    with contextlib.chdir(folder):
        command = ["fit", "t.csv", "--target", "y", "--quiet", "--no-report", *FAST]
        assert execute([*command, "--engine", "reference", "--out", "t.model"]) == Status.DONE
        command = ["export", "t.model", "--c", "old_c", "--name", "old", "--quiet"]
        assert execute(command) == Status.DONE
    return folder


# The command, the file or folder that it writes, and what it computes and how that is kept.
COMMANDS = {
    "predict": (
        ["predict", "t.model", "t.csv", "--out", "OUT"],
        "p.csv",
        ("deltarule.cli.run_predict.load_table_model",),
    ),
    "predict a packed table": (
        ["predict", "t.model", "t.csv.gz", "--out", "OUT"],
        "p.jsonl",
        ("deltarule.cli.run_predict.load_table_model",),
    ),
    "report": (
        ["evaluate", "t.model", "t.csv", "--report", "OUT"],
        "r.html",
        ("deltarule.explain.report.report_html", "deltarule.cli.run_evaluate.load_table_model"),
    ),
    "explain as a page": (
        ["explain", "t.model", "t.csv", "--row", "1", "--html", "OUT"],
        "e.html",
        (
            "deltarule.cli.run_explain._explain_model",
            "deltarule.explain.page.page.formulas_script",
            "deltarule.explain.page.page._measured_lens",
            "deltarule.explain.page.page.payload_of",
            "deltarule.explain.page.page.page_html",
        ),
    ),
    "explain as LaTeX": (
        ["explain", "t.model", "t.csv", "--row", "1", "--latex", "OUT"],
        "e.tex",
        ("deltarule.cli.run_explain._explain_model",),
    ),
    "export to ONNX": (
        ["export", "t.model", "--onnx", "OUT"],
        "m.onnx",
        ("deltarule.export.to_onnx", "deltarule.cli.run_export._load"),
    ),
    "export to C": (
        ["export", "t.model", "--c", "OUT"],
        "m_c",
        ("deltarule.export.to_c", "deltarule.cli.run_export._load"),
    ),
    "tune-lr": (
        ["tune-lr", "t.csv", "--target", "y", "--steps", "2", "--plot", "OUT"],
        "p.svg",
        (
            "deltarule.tabular.learning_rate.table_learning_rate",
            "deltarule.cli.tune_command._picture",
        ),
    ),
    "playground": (
        ["playground", "--export", "OUT"],
        "g.html",
        ("deltarule.playground.static_playground_html",),
    ),
}


def kept(function):
    """The function, computed at its first call."""
    values = []

    @functools.wraps(function)
    def call(*arguments, **options):
        if not values:
            values.append(function(*arguments, **options))
        return values[0]

    return call


def outcome(action, points):
    """Run with these points: -9 if the process was killed, 2 after an OSError, 0 otherwise."""
    if points.what == "kill":
        return in_a_fork(action, points)
    try:
        with points:
            action()
    except OSError:
        return 2
    return 0


def content(place):
    """The bytes of a file, or of all files of a folder; None if there is none."""
    if place.is_dir():
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}
    return place.read_bytes() if place.exists() else None


def remove(place):
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_at_every_point(name, models, tmp_path, monkeypatch, capfd):
    command, out, costly = COMMANDS[name]
    for dotted in costly:
        module, _, function = dotted.rpartition(".")
        __import__(module)
        monkeypatch.setattr(dotted, kept(getattr(sys.modules[module], function)))
    scratch, place = tmp_path / "scratch", tmp_path / "work"
    shutil.copytree(models, place)
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.chdir(place)
    command = [out if each == "OUT" else each for each in command]
    target = Path(out)

    def run():
        status = execute([*command, "--force"])
        assert status != Status.FAULT
        if status != Status.DONE:
            raise OSError(int(status))

    run()
    new = content(target)
    # Only a program in C may be replaced by one.
    old = content(Path("old_c")) if target.is_dir() else b"old"
    assert old != new

    def restore():
        for path in place.glob(f"{target.stem}*"):
            if path.name not in ("t.csv", "t.csv.gz", "t.model"):
                remove(path)
        if isinstance(old, dict):
            target.mkdir()
            for each, data in old.items():
                (target / each).write_bytes(data)
        else:
            target.write_bytes(old)

    restore()
    points = points_of(run, least=3)
    for what in WHATS:
        for at in range(1, points.count + 1):
            restore()
            status = outcome(run, Points(at, what))
            where = (what, at, points.seen[at - 1], capfd.readouterr().err[-300:])
            assert status == -9 if what == "kill" else status in (0, 2), (status, where)
            assert content(target) in (old, new), where
            # Where the result could not be saved as asked, it may be beside it, and whole.
            for other in place.glob(f"{target.stem}-*"):
                assert content(other) == new, (other, where)
            run()
            assert content(target) == new, where
            assert hidden_names(tmp_path) == [], where
            assert [path.name for path in scratch.iterdir() if "scratch" in path.name] == [], where
    print(f"{name}: {points.count} points")


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("there", [False, True])
def test_the_cache_of_compiled_code_at_every_point(there, what, tmp_path, monkeypatch):
    folder, old, new = tmp_path / "cache" / "kernels", b"old" * 1000, b"new" * 1000
    monkeypatch.setenv(kernel_cache.VARIABLE, str(folder))
    monkeypatch.setattr(kernel_cache, "_WRITE_ERRORS", [])

    def write():
        kernel_cache.write_code("k.o", new)

    def restore():
        shutil.rmtree(folder.parent, ignore_errors=True)
        if there:
            assert kernel_cache.write_code("k.o", old)

    restore()
    points = points_of(write, least=3)
    for at in range(1, points.count + 1):
        restore()
        status = outcome(write, Points(at, what))
        assert status == -9 if what == "kill" else status == 0, (at, status)
        assert kernel_cache.read_code("k.o") in (new, old if there else None), at
        assert kernel_cache.write_code("k.o", new)
        assert kernel_cache.read_code("k.o") == new
        assert hidden_names(tmp_path) == [], at
    print(f"the cache{' once more' * there}: {points.count} points")
