"""Large arrays are the system's again when they are freed, and are not shared with forks."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from deltarule.maths.own_memory import zeros

STATUS = Path("/proc/self/status")
LARGE = 1 << 25


def resident():
    return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", STATUS.read_text())[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.bool_, np.uint8])
@pytest.mark.parametrize("n", [0, 1, 5, (1 << 20) + 3])
def test_they_are_zeros_that_can_be_written(n, dtype):
    array = zeros(n, dtype)
    assert array.shape == (n,)
    assert array.dtype == dtype
    assert not array.any()
    array[...] = 1
    assert array.all()
    again = pickle.loads(pickle.dumps(array))
    np.testing.assert_array_equal(again, array)


def test_too_many_are_the_error_of_numpy():
    with pytest.raises(MemoryError):
        zeros(1 << 60, np.uint8)


@pytest.mark.skipif(not STATUS.exists(), reason="the resident memory is read from /proc")
def test_freed_memory_is_the_systems_again():
    before = resident()
    arrays = [zeros(LARGE, np.uint8) for _ in range(2)]
    for array in arrays:
        array[...] = 1
    held = resident()
    assert held - before > 1.9 * LARGE
    del array, arrays[0]
    assert held - resident() > 0.9 * LARGE
    assert (arrays[0] == 1).all()
