"""The package does not use the engine contract, which is a test harness, in its own work."""

import ast
from pathlib import Path

import pytest

import deltarule

SRC = Path(deltarule.__file__).parent
CONTRACT = "deltarule.engines.contract"
# The public functions that run the contract.
ALLOWED = {"engines/__init__.py", "cli/run_check.py"}


def imports_contract(source):
    """Whether a module's text imports from the contract, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        if any(f"{name}.".startswith(f"{CONTRACT}.") for name in names):
            return True
    return False


def test_production_code_does_not_import_the_contract():
    found = {
        path.relative_to(SRC).as_posix()
        for path in SRC.rglob("*.py")
        if SRC / "engines" / "contract" not in path.parents
        and imports_contract(path.read_text(encoding="utf-8"))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import deltarule.engines.contract.cases", True),
        ("from deltarule.engines import contract", True),
        ("def f():\n    from deltarule.engines.contract.harness import Subject", True),
        ("from deltarule.engines import check_engine", False),
        ("from deltarule.engines.contractor import x", False),
    ],
)
def test_every_form_of_import_is_recognised(source, expected):
    assert imports_contract(source) is expected
