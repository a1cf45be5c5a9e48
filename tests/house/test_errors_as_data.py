"""Errors carry data: no code looks into the text of one of deltarule's errors."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "deltarule"

# Errors of other libraries, which tell some causes apart by their text alone.
FOREIGN = {
    "files/filesystem.py": "pathlib's ValueError for a path with a NUL character",
    "maths/formula_shapes.py": "NumPy's ValueError for the truth value of an array",
    "tables/database.py": "DuckDB's errors",
    "tables/sqlite_file.py": "SQLite's errors",
    "tables/textscan.py": "csv's errors",
}
TEXT_METHODS = {"startswith", "endswith", "find", "index", "partition", "split", "replace"}
REGEX_METHODS = {"match", "fullmatch", "search", "sub", "findall", "finditer"}


def is_error_text(node):
    """Whether an expression is the text of an error: str(error), error.args[0], error.message."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and getattr(each.func, "id", "") == "str" and each.args:
            return getattr(each.args[0], "id", "") in {"error", "exc", "exception", "caught"}
        if isinstance(each, ast.Attribute) and getattr(each.value, "id", "") in {"error", "exc"}:
            return each.attr in {"args", "message"}
    return False


def looks_into_errors(source):
    """The lines that compare, search or cut the text of an error."""
    found = []
    for node in ast.walk(ast.parse(source)):
        looked_at = []
        if isinstance(node, ast.Compare):
            looked_at = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in TEXT_METHODS:
                looked_at = [node.func.value]
            elif node.func.attr in REGEX_METHODS:
                looked_at = node.args
        if any(map(is_error_text, looked_at)):
            found.append(node.lineno)
    return found


def test_no_code_looks_into_the_text_of_an_error():
    found = {
        path.relative_to(SRC).as_posix(): lines
        for path in sorted(SRC.rglob("*.py"))
        if (lines := looks_into_errors(path.read_text(encoding="utf-8")))
    }
    assert found.keys() <= FOREIGN.keys(), found


def test_the_command_line_has_no_regular_expressions():
    sources = {path.name: path.read_text(encoding="utf-8") for path in (SRC / "cli").glob("*.py")}
    assert [name for name, text in sources.items() if "import re\n" in text] == []


@pytest.mark.parametrize(
    "line",
    [
        "if 'taken' in str(error): pass",
        "str(error).startswith('no')",
        "error.args[0] == 'all done'",
        "re.search('x', str(exc))",
        "_PATTERN.sub('--', error.message)",
    ],
)
def test_the_search_sees_a_planted_line(line):
    assert looks_into_errors(line) == [1]


@pytest.mark.parametrize("line", ["raise E(str(error)) from error", "f'{error}; more'"])
def test_the_search_lets_other_lines_pass(line):
    assert looks_into_errors(line) == []
