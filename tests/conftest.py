"""What holds for every test."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def unchanged_environment():
    """Refuse a test that leaves an environment variable behind, which later tests would read."""
    before = dict(os.environ)
    yield
    after = dict(os.environ)
    for environment in (before, after):
        environment.pop("PYTEST_CURRENT_TEST", None)
    assert after == before
