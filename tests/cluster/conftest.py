"""A table for `deltarule launch`, and which tests take turns."""

import numpy as np
import pytest
from tests.cluster.groups import pytest_xdist_make_scheduler  # noqa: F401  a hook


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("launch")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2))
    lines = [f"{a:.6f},{b:.6f},{np.sin(a) + b:.6f}" for a, b in rows]
    (folder / "data.csv").write_text("\n".join(["a,b,y", *lines]))
    return folder
