"""What holds for every test."""

from __future__ import annotations

import os

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def same_draws():
    """Give each test the same draws where an estimator has no random state of its own."""
    np.random.seed(0)  # noqa: NPY002  it is this generator that random_state=None stands for


@pytest.fixture(autouse=True)
def unchanged_environment():
    """Refuse a test that leaves an environment variable behind, which later tests would read."""
    before = dict(os.environ)
    yield
    after = dict(os.environ)
    for environment in (before, after):
        environment.pop("PYTEST_CURRENT_TEST", None)
    assert after == before
