"""What the repository holds besides code: sizes, words, pins, the wheel."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import deltarule

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "deltarule"
MOST_LINES = 450
SUFFIXES = {
    "", ".cfg", ".css", ".html", ".ini", ".js", ".json", ".md", ".py", ".rst", ".sh", ".toml",
    ".txt", ".yml",
}  # fmt: skip
SKIPPED = {"_build", "build", "demo", "dist", "generated", "node_modules", "venv"}

# Written in pieces, so that this file does not hold what it forbids.
FORBIDDEN = {
    "a path of one machine": re.compile(
        r"(?<![\w.}~*)-])/(?:" + "|".join(["wor" + "k", "roo" + "t", "hom" + "e", "User" + "s"])
        + r")/[\w.]"
    ),
    "the address of a package index": re.compile(
        "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(?:org|com)"])
        + "|--(?:extra-)?index" + r"-url|--find" + "-links"
    ),
}  # fmt: skip


def files():
    """Text files of the checkout: what git would take, or everything where there is no git."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.split("\0")  # fmt: skip
        found = [ROOT / name for name in listed if name]
    else:
        found = [
            path
            for path in ROOT.rglob("*")
            if not any(
                part in SKIPPED or (part.startswith(".") and part != ".ci")
                for part in path.relative_to(ROOT).parts[:-1]
            )
        ]
    return sorted(path for path in found if path.is_file() and path.suffix in SUFFIXES)


def forbidden(text):
    """What a text holds and may not, one message each."""
    return [
        f"line {number}: {what}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in FORBIDDEN.items()
        if pattern.search(line)
    ]


def test_no_file_names_a_machine_or_an_index():
    found = {
        str(path.relative_to(ROOT)): forbidden(path.read_text(encoding="utf-8", errors="replace"))
        for path in files()
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "work/main/file.py",
        "'/" + "home/somebody/x'",
        "pip install --index" + "-url x",
        "https://py" + "pi.org/simple",
    ],
)
def test_the_search_sees_a_forbidden_word(line):
    assert forbidden(line)


@pytest.mark.parametrize("line", ["docs/home/index.rst", "the work/rest ratio", "a path/to/root/x"])
def test_the_search_lets_other_words_pass(line):
    assert not forbidden(line)


def test_no_source_file_is_too_long_to_read():
    lengths = {
        str(path.relative_to(SRC)): len(path.read_text(encoding="utf-8").splitlines())
        for path in SRC.rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_the_changelog_has_an_unreleased_section_with_something_in_it():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(r"^## \[?Unreleased\]?$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section
    assert re.search(r"^- \S", section[1], re.MULTILINE)


def test_the_package_under_test_is_the_installed_one():
    assert importlib.metadata.version("deltarule") == deltarule.__version__
    direct = Path(deltarule.__file__).parent
    installed = {
        Path(file.locate()).parent.resolve()
        for file in importlib.metadata.files("deltarule") or []
        if file.match("deltarule/__init__.py")
    }
    # A regular install lists its files; an editable one points at this checkout's src.
    assert direct.resolve() in (installed or {SRC.resolve()})


def test_no_test_changes_where_imports_come_from():
    pattern = re.compile(r"sys\." + r"path|from sr" + r"c\b|import sr" + r"c\b")
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_examples_of_the_readme_run_and_learn(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    fits, trains, explains = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", f"{fits}\n{trains}\nprint('then')\n{explains}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=tmp_path,
    )
    learned, _, explained = done.stdout.partition("then\n")
    assert float(learned.split()[0]) > 0.93  # the score of the classifier
    assert float(learned.split()[-1]) < 0.01
    assert explained.startswith("∂C₃/∂w₀₁⁽²⁾ = ")
    assert (tmp_path / "network.html").stat().st_size > 100_000


def names(requirements):
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in requirements}


def test_the_constraints_pin_every_dependency_by_name_and_version():
    lines = [
        line
        for line in (ROOT / "requirements" / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = names(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        if extra not in {"oracles", "jax", "cluster"}:  # pinned beside the lanes that need them
            wanted |= names(requirements)
    assert wanted - names(lines) == set()


@pytest.mark.parametrize(
    ("file", "needed"), [("oracles", {"torch", "jax"}), ("cluster", {"jax", "ray"})]
)
def test_what_single_lanes_need_is_pinned_too(file, needed):
    lines = (ROOT / "requirements" / f"{file}.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert needed <= names(pins)
    assert all("==" in line for line in pins)


def test_every_make_target_says_what_it_does():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(" ".join(re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE)).split())
    explained = set(re.findall(r"^([\w-]+):.*## \S", text, re.MULTILINE))
    assert phony == explained
    assert {"help", "demo", "test", "lint", "doctest", "docs", "bench", "oracles"} <= phony


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    code = f"from hatchling.build import build_wheel; build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    tops = {name.split("/")[0] for name in held}
    assert tops == {"deltarule", f"deltarule-{deltarule.__version__}.dist-info"}
    assert "deltarule/py.typed" in held
    modules = {path.relative_to(SRC.parent).as_posix() for path in SRC.rglob("*.py")}
    assert {name for name in held if name.endswith(".py")} == modules
