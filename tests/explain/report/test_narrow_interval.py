"""An interval that holds fewer rows than it says, beyond chance, is commented on."""

import numpy as np
import pytest

from deltarule.explain.report.errors import _scatter
from deltarule.tabular.diagnostics import Residuals


@pytest.mark.parametrize(("ends", "narrow"), [((0.83, 0.887), True), ((0.85, 0.91), False)])
def test_a_narrow_interval_has_a_comment(ends, narrow):
    y = np.arange(40.0)
    band = np.stack([y - 1, y + 1], axis=1)
    found = Residuals(y, y, np.zeros(40), np.array([-1.0, 0.0, 1.0]), band, 0.87, ends)
    assert ("it is too narrow" in _scatter(found, "y")) == narrow
