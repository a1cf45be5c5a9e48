"""The command line in this process, and small tables and models to give it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.tabular.small_portfolio import train_few_configurations

from deltarule.cli.status import execute

FAST = ("--epochs", "2", "--layers", "4")


@dataclass(frozen=True)
class Outcome:
    """What a command gave."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """The one JSON object that was printed."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


def contents(folder):
    """The checksum of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


NUMBERS = "a,b,k,y\n" + "".join(
    f"{i % 7},{i * 0.5},{'pq'[i % 2]},{i % 7 * 2 + i % 3}\n" for i in range(60)
)
CLASSES = "a,b,y\n" + "".join(
    f"{i % 7},{i * 0.5},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(60)
)
# Row 5 has no target.
SOME = NUMBERS.replace("\n4,2.0,p,9\n", "\n4,2.0,p,\n")


@pytest.fixture
def deltarule(capfd):
    """Run the command line and give its outcome."""

    def run(*arguments):
        capfd.readouterr()
        status = execute([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(int(status), out, err)

    return run


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder with tables and a model of each; the training of one was recorded.

    many.model is a portfolio for numbers.csv.
    """
    folder = tmp_path_factory.mktemp("workshop")
    here = Path.cwd()
    os.chdir(folder)
    try:
        Path("numbers.csv").write_text(NUMBERS)
        Path("classes.csv").write_text(CLASSES)
        for name in ("numbers", "classes"):
            data = f"{name}.csv"
            assert execute(["fit", data, "--target", "y", "--quiet", "--seed", "1", *FAST]) == 0
        Path("kept.csv").write_text(SOME)
        with pytest.MonkeyPatch.context() as patch:
            train_few_configurations(patch)
            command = ["fit", "numbers.csv", "--target", "y", "--quiet", "--out", "many.model"]
            assert execute(command) == 0
        command = ["fit", "kept.csv", "--target", "y", "--quiet", "--record", "--batch-size", "9"]
        assert execute([*command, "--epochs", "4", "--layers", "4"]) == 0
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def place(workshop, tmp_path, monkeypatch):
    """A fresh copy of the workshop, which is also the current folder."""
    copy = tmp_path / "place"
    shutil.copytree(workshop, copy)
    monkeypatch.chdir(copy)
    return copy
