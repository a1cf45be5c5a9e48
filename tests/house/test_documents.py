"""The files, modules and make targets that the documents name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "deltarule"
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/*.rst")),
    *sorted(ROOT.glob("docs/api/*.rst")),
]
# The table of decisions.rst that maps old names of modules to new ones.
RENAMED = re.compile(r"^Modules are called .*", re.MULTILINE | re.DOTALL)
TOP = r"src/deltarule|benchmarks|docs|examples|tests|tools|requirements|types|\.ci"
PACKAGES = "|".join(sorted(path.parent.name for path in SRC.glob("*/__init__.py")))
FILE = re.compile(rf"(?<![\w/.-])(?:(?:{TOP})/[\w./*-]*|(?:{PACKAGES})/(?![A-Z])[\w./*-]*)")
TARGET = re.compile(r"(?:^|``?)make ([a-z]+)", re.MULTILINE)


def text_of(path):
    """The text of a document, without the old names of modules."""
    return RENAMED.sub("", path.read_text(encoding="utf-8"))


def missing_files(text):
    """The paths in a text that exist neither in the checkout nor in the package.

    A path of the package may omit ``src/deltarule/`` and ``.py``, and may contain ``*``.
    """
    found = {match[0].rstrip(".") for match in FILE.finditer(text)}
    return sorted(
        name
        for name in found
        if not any(
            next(base.glob(name.rstrip("/") + suffix), None)
            for base in (ROOT, SRC)
            for suffix in ("", ".py")
        )
    )


def missing_commands(text):
    """The make targets, and the modules after ``python -m``, that do not exist."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    found = [f"make {name}" for name in TARGET.findall(text) if name not in targets]
    for name in re.findall(r"python3? -m ((?:benchmarks|deltarule)[\w.]*)", text):
        path = Path(*name.rstrip(".").split("."))
        places = [base / path for base in (ROOT, ROOT / "src")]
        if not any(p.with_suffix(".py").exists() or (p / "__main__.py").exists() for p in places):
            found.append(f"python -m {name}")
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_existing_files_and_commands(path):
    text = text_of(path)
    assert missing_files(text) == []
    assert missing_commands(text) == []


def test_missing_files_and_commands_are_found():
    text = "``maths/no.py``, `src/deltarule/no.py`, python benchmarks/no.py, tests/engines/no*.py"
    assert missing_files(text) == [
        "benchmarks/no.py",
        "maths/no.py",
        "src/deltarule/no.py",
        "tests/engines/no*.py",
    ]
    assert missing_commands("`make no`, ``python -m benchmarks.no``") == [
        "make no",
        "python -m benchmarks.no",
    ]


def test_existing_files_and_commands_are_accepted():
    text = "``maths/losses.py``, `engines/registry.py`, `tests/engines/broken*.py`, ``optimizers/``"
    assert missing_files(text) == []
    assert missing_commands("`make test`, ``python -m benchmarks --scaling``") == []
