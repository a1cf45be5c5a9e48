"""Packages import a module when one of its names is used, and list the names before."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = [
    "engines", "engines.compiled", "maths", "optimizers", "tables", "tabular", "tabular.portfolio",
    "training",
]  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_gives_and_lists_its_names(name):
    package = importlib.import_module(f"deltarule.{name}")
    assert set(package.__all__) <= set(dir(package))
    for each in package.__all__:
        assert getattr(package, each) is getattr(package, each)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize("name", PACKAGES)
def test_no_lazy_name_is_that_of_a_module(name):
    """Importing the module would put it in the place of the name."""
    package = importlib.import_module(f"deltarule.{name}")
    folder = Path(package.__file__).parent
    modules = {path.stem for path in folder.iterdir() if path.suffix in ("", ".py")}
    eager = {"backprop"} if name == "maths" else set()  # bound after its module is imported
    assert set(package.__all__) & modules == eager


def test_a_name_loads_its_module_alone():
    code = (
        "import sys, deltarule.training; before = set(sys.modules); "
        "from deltarule.training import StopFlag; "
        "print(*sorted(n for n in set(sys.modules) - before if n.startswith('deltarule.tr')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["deltarule.training.interrupt"]


def test_functions_of_the_names_of_modules_stay_functions():
    importlib.import_module("deltarule.maths.backprop")
    importlib.import_module("deltarule.training.step_replay")
    maths, training = (importlib.import_module(f"deltarule.{n}") for n in ("maths", "training"))
    assert callable(maths.backprop)
    assert callable(training.replay)
