"""What holds for every test."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect the tests without looking for garbage, and never look at what is there then.

    What is imported and collected lives to the end. The collector would walk through these many
    objects again and again: a third of the time of collecting tests, a twentieth of running them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def same_draws():
    """Give each test the same draws where an estimator has no random state of its own."""
    np.random.seed(0)  # noqa: NPY002  it is this generator that random_state=None stands for


@pytest.fixture(autouse=True)
def unchanged_settings():
    """Refuse a test that leaves a setting in the environment behind, which later tests would read.

    Only the variables that this library and its threads obey are compared: libraries that a test
    imports (JAX, for one) set variables of their own.
    """
    before = _settings()
    yield
    assert _settings() == before


@pytest.fixture
def memory_path(tmp_path):
    """A temporary folder in memory, where there is room for one: no disk is waited for."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 1 << 28:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def _settings() -> dict[str, str]:
    """Return the environment variables by which users set up this library and its threads."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("DELTARULE_") or name.endswith("_NUM_THREADS")
    }
