"""What several tests of training take as an argument."""

import pytest

from deltarule.engines import make_engine


@pytest.fixture(params=["reference", "compiled"])
def kind(request):
    """The class of an engine."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    return type(make_engine(request.param))
