"""The public names: documented, resolvable, and each with an example."""

import ast
import importlib
import inspect
import re
import types
from pathlib import Path

import pytest

import deltarule

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "deltarule"
API = ROOT / "docs" / "api"


def documented(text):
    """The full names in a page's autosummary lists."""
    module, names, inside = "", [], False
    for line in text.splitlines():
        if match := re.match(r"\.\. (?:currentmodule|module|automodule):: (\S+)", line):
            module, inside = match[1], False
        elif line.startswith(".. autosummary::"):
            inside = True
        elif line and not line.startswith(" "):
            inside = False
        elif inside and line.strip() and not line.strip().startswith(":"):
            names.append(f"{module}.{line.strip()}")
    return names


def resolve(full_name):
    """The object behind a dotted name, importing as far as it is modules."""
    parts = full_name.split(".")
    found = __import__(parts[0])
    for depth, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            __import__(".".join(parts[:depth]))
        found = getattr(found, part)
    return found


DOCUMENTED = [name for page in sorted(API.glob("*.rst")) for name in documented(page.read_text())]


def test_the_documented_names_are_exactly_the_exported_ones():
    top = {name for name in DOCUMENTED if name.count(".") == 1}
    # The version is a string, mentioned in words.
    exported = set(deltarule.__all__) - {"__version__"}
    assert top == {f"deltarule.{name}" for name in exported}


LAYERS = [
    "engines", "errors", "explain", "explain.page", "explain.report", "export", "files", "maths",
    "optimizers", "playground", "tables", "tabular.diagnostics", "training",
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
def test_what_a_layer_exports_is_documented_there_or_at_the_top(layer):
    module = importlib.import_module(f"deltarule.{layer}")
    places = [name.rpartition(".") for name in DOCUMENTED]
    there = {name for place, _, name in places if place == f"deltarule.{layer}"}
    exported = set(module.__all__)
    at_the_top = {
        name
        for name in exported & set(deltarule.__all__)
        if getattr(module, name) is getattr(deltarule, name)
    }
    assert there == exported - at_the_top


def test_no_name_is_documented_twice():
    assert sorted(set(DOCUMENTED)) == sorted(DOCUMENTED)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_name_resolves(name):
    assert resolve(name) is not None


def test_the_exported_names_are_listed_once_and_by_dir():
    assert len(set(deltarule.__all__)) == len(deltarule.__all__)
    assert set(deltarule.__all__) <= set(dir(deltarule))


def test_a_name_that_is_not_exported_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        deltarule.no_such_name  # noqa: B018


def missing_docstrings(source, place):
    """Public modules, functions, classes and methods without a usable summary line."""
    tree, found = ast.parse(source), []

    def check(node, name):
        text = ast.get_docstring(node)
        if not text:
            found.append(f"{place}: {name} has no docstring")
        elif not text.splitlines()[0].rstrip().endswith((".", ":", "?")):
            found.append(f"{place}: the summary of {name} is not one line ending in a full stop")

    def walk(node, prefix):
        inherits = bool(getattr(node, "bases", []))
        for child in node.body:
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if child.name.startswith("_"):
                continue
            overload = any(getattr(d, "id", "") == "overload" for d in child.decorator_list)
            # What overrides another method may inherit its docstring: see below.
            if not overload and not (inherits and not ast.get_docstring(child)):
                check(child, prefix + child.name)
            if isinstance(child, ast.ClassDef):
                walk(child, f"{prefix}{child.name}.")

    check(tree, "the module")
    walk(tree, "")
    return found


FILES = sorted(SRC.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SRC)) for path in FILES])
def test_every_public_thing_has_a_docstring(path):
    assert missing_docstrings(path.read_text(encoding="utf-8"), path.name) == []


# Modules without classes have no methods. To import those of the entry points compiles them.
WITH_CLASSES = [path for path in FILES if re.search(r"^\s*class ", path.read_text("utf-8"), re.M)]


@pytest.mark.parametrize(
    "path", WITH_CLASSES, ids=[str(path.relative_to(SRC)) for path in WITH_CLASSES]
)
def test_every_public_method_has_a_docstring_of_its_own_or_inherited(path):
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    if any(part.split("_")[0] == "jax" for part in parts):
        pytest.importorskip("jax", reason="an extra; without it these modules cannot be imported")
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    assert missing_on_methods(module) == []


def missing_on_methods(module):
    """Public methods of a module's own classes without a docstring anywhere up the tree."""
    return [
        f"{thing.__name__}.{name}"
        for thing in vars(module).values()
        if inspect.isclass(thing) and thing.__module__ == module.__name__
        if not thing.__name__.startswith("_")
        for name, member in vars(thing).items()
        if not name.startswith("_") and inspect.isroutine(member)
        if not any(vars(base).get(name).__doc__ for base in thing.__mro__ if name in vars(base))
    ]


def without_example(thing):
    """Whether a public function or class lacks an example that doctest can run."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return False  # data: registries, records
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return False  # raised by others; the examples are theirs
    # What a class does may be shown where it does it, in a method.
    members = vars(thing).items() if inspect.isclass(thing) else ()
    methods = [m for name, m in members if not name.startswith("_") and inspect.isroutine(m)]
    texts = [inspect.getdoc(each) or "" for each in [thing, *methods]]
    pattern = re.compile(r"^Examples\n-{8}\n(.*\n)*?\s*>>> ", re.MULTILINE)
    return not any(pattern.search(text) for text in texts)


@pytest.mark.parametrize("name", sorted(deltarule.__all__))
def test_every_exported_function_and_class_has_an_example(name):
    assert not without_example(getattr(deltarule, name))


def takes_parameters(function):
    parameters = inspect.signature(function).parameters
    return any(name not in {"self", "cls"} for name in parameters)


@pytest.mark.parametrize("name", sorted(deltarule.__all__))
def test_every_exported_function_lists_its_parameters(name):
    thing = getattr(deltarule, name)
    if inspect.isfunction(thing) and takes_parameters(thing):
        pattern = r"^Parameters\n-{10}$|^Parameters, .* are those of"
        assert re.search(pattern, inspect.getdoc(thing) or "", re.MULTILINE)


# The checkers, held to planted faults.


def test_the_page_reader_reads_lists_and_nothing_else():
    page = """
Title
=====

.. currentmodule:: deltarule.maths

Words.

.. autosummary::
   :toctree: generated

   first
   second

   third

More words.

.. currentmodule:: deltarule

.. autosummary::

   fourth
"""
    assert documented(page) == [
        "deltarule.maths.first",
        "deltarule.maths.second",
        "deltarule.maths.third",
        "deltarule.fourth",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "def f(): ...",
        '"""M."""\ndef f(): ...',
        '"""M."""\ndef f():\n    """No full stop"""',
        '"""M."""\nclass A:\n    """Good."""\n    def f(self): ...',
    ],
)
def test_the_docstring_checker_sees_what_is_missing(source):
    assert missing_docstrings(source, "planted")


def test_the_docstring_checker_passes_private_things():
    source = '"""M."""\ndef _f(): ...\nclass A:\n    """Good."""\n    def __len__(self): ...'
    assert missing_docstrings(source, "planted") == []


def test_the_inheritance_checker_sees_what_is_missing():
    planted = types.ModuleType("planted")
    source = (
        'class A:\n def f(self):\n  "Doc."\n def g(self): ...\n'
        "class B(A):\n def f(self): ...\n def g(self): ...\n"
    )
    code = compile(source, "planted", "exec")
    exec(code, planted.__dict__)  # noqa: S102  (three lines of our own)
    assert missing_on_methods(planted) == ["A.g", "B.g"]


def test_the_example_checker_sees_what_is_missing():
    def bare():
        """Does something.

        Examples
        --------
        Words only.
        """

    def shown():
        """Does something.

        Examples
        --------
        Words first.

        >>> 1 + 1
        2
        """

    assert without_example(bare)
    assert not without_example(shown)
