"""``deltarule.explain`` and its ``lens`` are the functions, whatever is imported first."""

import subprocess
import sys

import pytest

CHECK = """
import deltarule
import deltarule.explain as package
from deltarule.explain import lens
from deltarule.explain.lens.gradient_lens import lens as documented

assert lens is package.lens is deltarule.lens is documented, lens
assert package is deltarule.explain
net = deltarule.Network([1, 1])
assert package(net, [[1.0]], [[2.0]], theta=[1.0, 0.0]).trace.cost == 1.0
"""


@pytest.mark.parametrize(
    "first",
    [
        "from deltarule.explain import lens",
        "import deltarule.explain.lens",
        "import deltarule.explain.lens.views",
        "import importlib; importlib.import_module('deltarule.explain.lens.gradient_lens')",
        "from deltarule import lens",
        "import deltarule.explain.page",
    ],
)
def test_lens_is_the_function_after_any_import(first):
    subprocess.run([sys.executable, "-c", f"{first}\n{CHECK}"], check=True, timeout=120)
