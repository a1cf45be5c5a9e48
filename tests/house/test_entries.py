"""One file calls all entry points of compiled code, and passes them the number of workers."""

import ast
from pathlib import Path

import pytest

from deltarule.engines.compiled.entry_table import ENTRY_POINTS

SRC = Path(__file__).parents[2] / "src" / "deltarule"
COMPILED = SRC / "engines" / "compiled"
CALLER = COMPILED / "thread_pool.py"
# The files of entry points that several workers may run, and a function in them that is none.
ENTRIES = [COMPILED / "entry_points.py", COMPILED / "row_entry_points.py"]
OTHERS = {"describe_batch"}


def entries(source):
    """The functions that are compiled for Python to call."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and any(
            getattr(mark, "id", "") == "entry_point" for mark in node.decorator_list
        ):
            yield node


def waits_first(function):
    """Whether an entry takes the number of workers, and first of all waits for them."""
    names = [argument.arg for argument in function.args.args]
    for statement in function.body:
        text = ast.unparse(statement)
        if text.startswith("if not wait_for_workers(plan, workers):\n    return"):
            return names[:2] == ["plan_at", "workers"]
        assigns = isinstance(statement, ast.Assign) and not isinstance(
            statement.targets[0], ast.Subscript
        )
        if not assigns and not isinstance(getattr(statement, "value", None), ast.Constant):
            return False
    return False


def used(source, names):
    """The lines in which a file gets an entry's function by its name, or imports the entry."""
    for node in ast.walk(ast.parse(source)):
        if (isinstance(node, ast.ImportFrom) and str(node.module).endswith("entry_points")) or (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("entry_functions")
            and {getattr(each, "value", None) for each in node.args} & names
        ):
            yield node.lineno


NAMES = {each.name for path in ENTRIES for each in entries(path.read_text())} - OTHERS


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.name)
def test_every_entry_first_waits_for_its_workers(path):
    found = [each for each in entries(path.read_text()) if each.name not in OTHERS]
    assert found
    assert [each.name for each in found if not waits_first(each)] == []


def test_no_other_file_calls_an_entry():
    assert len(NAMES) >= 8
    found = {
        f"{path.relative_to(SRC)}:{line}"
        for path in SRC.rglob("*.py")
        if path not in (CALLER, *ENTRIES)
        for line in used(path.read_text(), NAMES)
    }
    assert found == set()


def test_the_table_has_the_entries_of_each_module():
    for module in {entry.module for entry in ENTRY_POINTS.values()}:
        found = {each.name for each in entries((COMPILED / f"{module}.py").read_text())}
        assert found == {name for name, entry in ENTRY_POINTS.items() if entry.module == module}


def test_a_call_from_elsewhere_is_detected():
    source = "from deltarule.engines.compiled.entry_points import run_steps\nrun_steps(1)\n"
    assert list(used(source, NAMES)) == [1]
    assert list(used('(run,) = entry_code.entry_functions("run_steps")', NAMES)) == [1]
    late = "@entry_point\ndef run(plan_at, workers):\n    plan[0] = 1\n"
    assert [each.name for each in entries(late)] == ["run"]
    assert not any(map(waits_first, entries(late)))
