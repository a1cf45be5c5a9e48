"""Third-party libraries: each in its one place, and none but NumPy before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "deltarule"

# Library: the files and folders that may import it. The empty string is everywhere.
PLACES = {
    "numpy": [""],
    "duckdb": ["tables/"],
    # scikit-learn's own loop over fits, whose threads a search uses; and its backends for clusters.
    "joblib": ["estimators/many_search.py", "training/job_backend.py"],
    "jax": ["engines/jax/", "cluster/", "maths/namespace.py"],
    # The last is the plot of a search that belongs to training, which stands left of tabular.
    "matplotlib": [
        "cli/",
        "tabular/diagnostics/displays.py",
        "training/learning_rate_search.py",
    ],
    "narwhals": ["tables/"],
    "numba": ["engines/compiled/"],
    "llvmlite": ["engines/compiled/"],  # comes with Numba, for kernels it cannot express
    "onnx": ["export/"],
    "onnxruntime": ["export/"],
    "pyarrow": ["tables/"],
    "ray": ["cluster/"],
    "rich": ["cli/"],
    "safetensors": ["files/bundles.py"],
    "scipy": ["optimizers/lbfgs.py", "engines/compiled/", "tabular/"],
    "sklearn": ["tabular/", "estimators/", "playground/data.py"],  # the last for its digits
    "starlette": ["playground/"],
    "threadpoolctl": ["training/threads.py"],
    "torch": [],  # timed in benchmarks/, compared with in tests; nothing is computed with it
    "typer": ["cli/"],
    "uvicorn": ["playground/"],
}
# Here the import stands inside the function that needs it: the library is optional, or training
# alone does without it.
INSIDE_FUNCTIONS = {
    ("jax", "maths/namespace.py"),
    ("threadpoolctl", "training/threads.py"),
    ("joblib", "training/job_backend.py"),
    ("scipy", "tabular/portfolio/selection.py"),
    ("sklearn", "playground/data.py"),
    ("matplotlib", "tabular/diagnostics/displays.py"),
    ("matplotlib", "training/learning_rate_search.py"),
    ("onnx", "export/onnx_graph.py"),
    ("onnx", "export/onnx_sources.py"),
    ("onnxruntime", "export/onnx_graph.py"),
    ("onnxruntime", "export/onnx_export.py"),
}
# Model files are never executed on reading.
NEVER = {"cPickle", "dill", "marshal", "pickle", "shelve"}
# A worker executes what a call has sent to it, as joblib sends it; files are not read there.
CALLS = {("pickle", "training/job_sharing.py")}


def imports(source):
    """Every absolute import as (line, top-level module, whether inside a function)."""
    found = []

    def visit(node, inside):
        if isinstance(node, ast.Import):
            found.extend((node.lineno, alias.name.split(".")[0], inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append((node.lineno, node.module.split(".")[0], inside))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in {"import_module", "__import__"}:
                found.append((node.lineno, str(node.args[0].value).split(".")[0], inside))
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(source), inside=False)
    return found


def violations(source, place):
    """What the file at ``place`` (relative to the package) imports and may not."""
    found = []
    for line, library, inside in imports(source):
        if library in NEVER:
            if (library, place) in CALLS:
                continue
            found.append(f"{place}:{line}: {library} runs what it reads")
        elif library in sys.stdlib_module_names or library == "deltarule":
            continue
        elif library not in PLACES:
            found.append(f"{place}:{line}: {library} is not a dependency")
        elif not any(place == allowed or _within(place, allowed) for allowed in PLACES[library]):
            found.append(f"{place}:{line}: {library} belongs in {', '.join(PLACES[library])}")
        elif (library, place) in INSIDE_FUNCTIONS and not inside:
            found.append(
                f"{place}:{line}: {library} is not always needed; import it inside the function"
            )
    return found


def _within(place, folder):
    return folder == "" or (folder.endswith("/") and place.startswith(folder))


FILES = sorted(SRC.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SRC)) for path in FILES])
def test_a_library_is_imported_in_its_one_place(path):
    place = path.relative_to(SRC).as_posix()
    assert violations(path.read_text(encoding="utf-8"), place) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("maths/losses.py", "import scipy.special"),
        ("maths/losses.py", "from sklearn.datasets import load_iris"),
        ("maths/losses.py", "def f():\n    import jax"),
        ("maths/namespace.py", "import jax.numpy"),
        ("training/loop.py", "from rich.progress import track"),
        ("engines/base.py", "import torch"),
        ("files/single.py", "import pickle"),
        ("files/single.py", "import joblib"),
        ("training/threads.py", "import threadpoolctl"),
        ("tables/read.py", "duckdb = importlib.import_module('safetensors.numpy')"),
        ("engines/jaxy.py", "import jax"),
    ],
)
def test_the_checker_sees_a_wrong_import(place, line):
    assert violations(line, place)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("maths/losses.py", "import numpy as np"),
        ("maths/losses.py", "import math"),
        ("maths/namespace.py", "def f():\n    import jax.numpy"),
        ("tables/read.py", "import duckdb"),
        ("training/threads.py", "def f():\n    import threadpoolctl"),
        ("engines/compiled/plan.py", "from scipy.linalg import blas"),
    ],
)
def test_the_checker_lets_a_right_import_pass(place, line):
    assert violations(line, place) == []


def third_party_after(statement):
    """Top-level third-party modules that a fresh interpreter holds after ``statement``."""
    code = (
        f"import sys\n{statement}\n"
        "print(*{name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    # What an editable install or a .pth file loads at start is there before any statement.
    return set(done.stdout.split())


def loaded_by(statement):
    return third_party_after(statement) - third_party_after("import numpy") - {"deltarule"}


def test_importing_the_package_loads_numpy_at_most():
    assert loaded_by("import deltarule") == set()


def test_the_mathematics_loads_nothing_but_numpy():
    assert loaded_by("from deltarule import Network, backprop, check_gradient, forward") == set()


def test_training_loads_no_library_of_tables_or_terminal():
    unwanted = {"sklearn", "duckdb", "jax", "matplotlib", "rich", "typer", "pandas", "narwhals"}
    assert not loaded_by("from deltarule import train") & unwanted


def test_explaining_a_network_loads_no_library_of_estimators_or_tables():
    unwanted = {"sklearn", "duckdb", "pandas", "matplotlib"}
    assert not loaded_by("from deltarule import explain; explain") & unwanted


def test_the_measurement_sees_a_library():
    assert "mpmath" in loaded_by("import mpmath")


def test_listing_the_public_names_loads_nothing():
    assert loaded_by("import deltarule; dir(deltarule)") == set()


def test_pickles_are_read_nowhere_by_whatever_name():
    """Some libraries have ``pickle.loads`` under other names, which the rules above do not see."""
    found = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            if any("pickle" in name or "serialize" in name for name in names):
                found.add(path.relative_to(SRC).as_posix())
    assert found == {place for _, place in CALLS}
