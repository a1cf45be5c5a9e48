"""The house's order: a file imports its own folder and what stands to its left."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "deltarule"

# From left to right; names on one line are siblings, which do not see each other.
ORDER = [
    ["_version", "lazy_names"],
    ["errors"],
    ["interruptible"],
    ["records", "exportable"],
    ["files"],
    ["maths", "optimizers", "tables"],
    ["settings"],
    ["engines"],
    ["training"],
    ["cluster"],
    ["tabular"],
    ["estimators"],
    ["explain", "export"],
    ["playground"],
    ["cli"],
    ["__main__"],
]
RANK = {layer: rank for rank, layers in enumerate(ORDER) for layer in layers}
# Methods of models that the layer at the right implements: imported when one is called.
METHODS_OF = {"exportable": "export"}
# What `__init__.py` hands out lazily may come from anywhere, so nothing inside uses it.
DOOR = "__init__"


def layer_of(path, root=SRC):
    """The folder or top-level module that a file belongs to."""
    first = path.relative_to(root).parts[0]
    return first.removesuffix(".py")


def imported_modules(source, path, root=SRC):
    """Every module of the package that a file imports, as (line, dotted name)."""
    package = ["deltarule", *path.relative_to(root).parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "deltarule":
                found += [(node.lineno, f"deltarule.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, module))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in {"import_module", "__import__"}:
                found.append((node.lineno, str(node.args[0].value)))
    return [(line, name) for line, name in found if name.split(".")[0] == "deltarule"]


def is_inside(source, line):
    """Whether a line stands in a function, or is read by type checkers alone."""
    return source.splitlines()[line - 1].startswith("    ")


def violations(source, path, root=SRC):
    """What a file imports and may not, one message each."""
    own = layer_of(path, root)
    if own == DOOR:
        return []
    if own not in RANK:
        return [f"{path}: {own!r} has no place in the order; give it one in ORDER"]
    found = []
    for line, name in imported_modules(source, path, root):
        parts = name.split(".")
        other = parts[1] if len(parts) > 1 else DOOR
        if other == own or (METHODS_OF.get(own) == other and is_inside(source, line)):
            continue
        if other not in RANK:
            found.append(f"{path}:{line}: {name} is not a module of a layer")
        elif RANK[other] == RANK[own]:
            found.append(f"{path}:{line}: {own} and {other} are siblings; {name}")
        elif RANK[other] > RANK[own]:
            found.append(f"{path}:{line}: {own} stands left of {other}; {name}")
    return found


FILES = sorted(SRC.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SRC)) for path in FILES])
def test_a_file_imports_only_what_stands_to_its_left(path):
    assert violations(path.read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("maths/network.py", "from deltarule.engines import reference"),
        ("maths/network.py", "import deltarule.training.loop"),
        ("maths/network.py", "from deltarule.tables.table_encoder import Encoder"),
        ("maths/network.py", "from ..optimizers import rules"),
        ("maths/network.py", "from deltarule import backprop"),
        ("maths/network.py", "import deltarule"),
        ("maths/network.py", "def later():\n    from deltarule.cli import main"),
        ("maths/network.py", "importlib.import_module('deltarule.estimators')"),
        ("maths/deeper/network.py", "from ...training import loop"),
        ("errors.py", "from deltarule.records import Record"),
        ("explain/text.py", "from deltarule.export import c"),
        ("exportable.py", "from deltarule.export import to_c"),
        ("exportable.py", "def later():\n    from deltarule.training import train"),
        ("novelties/new.py", "from deltarule.errors import InputError"),
    ],
)
def test_the_checker_sees_a_wrong_import(place, line):
    assert violations(line, SRC / place)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("maths/network.py", "from deltarule.maths.losses import get_loss"),
        ("maths/network.py", "from .losses import get_loss"),
        ("maths/network.py", "from deltarule.records import Record"),
        ("engines/reference.py", "from deltarule.optimizers.rules import Rule"),
        ("cli/main.py", "from deltarule.training import train"),
        ("cli/main.py", "import numpy"),
        ("exportable.py", "def later():\n    from deltarule.export import to_c"),
        ("__init__.py", "from deltarule.cli import main"),
    ],
)
def test_the_checker_lets_a_right_import_pass(place, line):
    assert violations(line, SRC / place) == []
