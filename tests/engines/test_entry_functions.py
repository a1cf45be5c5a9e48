"""Entry points as Python's functions: their arguments, and where their code comes from."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

from deltarule.engines.compiled import entry_code, entry_table, python_call
from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.entry_code import entry_functions
from deltarule.errors import MissingDependency


def arrays(n=3, dtype=np.float32):
    x, y, w = np.ones((n, 4), dtype), np.ones((n, 2), dtype), np.ones(n, dtype)
    return [x, y, w, np.arange(n)]


def described(x, y, w, numbers):
    (describe_batch,) = entry_functions("describe_batch")
    batch = np.zeros(f.BATCH_FIELDS, np.int64)
    return describe_batch(batch.ctypes.data, x, y, w, numbers, 4, 2), batch


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_addresses_of_arrays_are_read(dtype):
    given = arrays(3, dtype)
    for array in given:
        array.flags.writeable = False
    n, batch = described(*given)
    size = np.dtype(dtype).itemsize
    assert n == batch[f.N_ROWS] == 3
    fields = batch[[f.X, f.Y, f.W, f.ROW_NUMBERS]].tolist()
    assert fields == [array.ctypes.data for array in given]
    assert batch[[f.X_STRIDE, f.Y_STRIDE, f.W_STRIDE]].tolist() == [4 * size, 2 * size, size]


def unaligned(shape, dtype):
    raw = np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize + 1, np.uint8)[1:]
    return raw.view(dtype).reshape(shape)


class Subclass(np.ndarray):
    pass


UNUSABLE = {
    "no array": [1.0] * 3,
    "another dtype": np.ones((3, 4), np.int64),
    "halves": np.ones((3, 4), np.float16),
    "another byte order": np.ones((3, 4), np.dtype("f4").newbyteorder()),
    "columns first": np.ones((4, 3), np.float32).T,
    "every other column": np.ones((3, 8), np.float32)[:, ::2],
    "not aligned": unaligned((3, 4), np.float32),
    "a subclass": np.ones((3, 4), np.float32).view(Subclass),
    "a vector": np.ones(4, np.float32),
    "a cube": np.ones((3, 4, 1), np.float32),
    "a scalar": np.array(1.0, np.float32),
    "a scalar of NumPy": np.float32(1.0),
    "nothing": None,
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_other_arrays_are_a_type_error(what):
    with pytest.raises(TypeError):
        described(UNUSABLE[what], *arrays()[1:])


@pytest.mark.parametrize(
    ("place", "given"),
    [(2, np.ones((1, 3), np.float32)), (3, np.arange(3, dtype=np.int32)), (3, np.arange(3.0))],
)
def test_weights_are_a_vector_and_row_numbers_are_int64(place, given):
    every = arrays()
    every[place] = given
    with pytest.raises(TypeError):
        described(*every)


def test_arrays_that_do_not_fit_together_are_no_batch():
    x, y, w, numbers = arrays()
    assert described(x, y, w, numbers[:2])[0] == -1
    assert described(x, y, w[:2], numbers)[0] == -1
    assert described(x, y[:2], w, numbers)[0] == -1
    assert described(x, y.astype(float), w, numbers)[0] == -1
    assert described(y, x, w, numbers)[0] == -1
    assert described(np.ones((0, 4), np.float32), y[:0], w[:0], numbers[:0])[0] == 0


def test_numbers_and_their_count_are_checked():
    (run_apply,) = entry_functions("run_apply")
    for arguments in [(), (1, 1, 0.1), (1, 1, 0.1, 0.0, 0), (1.5, 1, 0.1, 0.0), (1, "1", 0.1, 0.0),
                      (1, 1, "0.1", 0.0), (1, 1, None, 0.0)]:  # fmt: skip
        with pytest.raises(TypeError):
            run_apply(*arguments)
    with pytest.raises(TypeError):
        run_apply(plan_at=1)
    with pytest.raises(OverflowError):
        run_apply(10**30, 1, 0.1, 0.0)


def test_a_call_keeps_no_reference():
    given = arrays()
    before = [sys.getrefcount(array) for array in given]
    for _ in range(100):
        described(*given)
        with pytest.raises(TypeError):
            described(given[0], given[0][0], *given[2:])
    assert [sys.getrefcount(array) for array in given] == before


def test_another_layout_of_arrays_is_refused(monkeypatch):
    python_call.check_array_layout.__wrapped__()
    monkeypatch.setattr(python_call, "_FLAGS", python_call._FLAGS + 4)
    with pytest.raises(MissingDependency, match="cannot read the arrays of NumPy"):
        python_call.check_array_layout.__wrapped__()


def test_machine_code_is_read_as_it_was_written():
    code = entry_code._MachineCode({"run": "python.run"}, [b"one\n", b"", b"three"])
    assert entry_code._unpacked(entry_code._packed(code)) == code
    assert entry_code._unpacked(None) is None


def allocates(plan_at, workers):
    return len(np.zeros(workers)) + plan_at


def uses_libm(plan_at, workers):
    return int(math.sin(plan_at)) + workers


def prints(plan_at, workers):
    print(plan_at)
    return workers


@pytest.mark.slow
@pytest.mark.parametrize("planted", [allocates, uses_libm, prints])
def test_code_that_calls_a_library_is_refused(planted, monkeypatch):
    """A process that does not import Numba has none of the functions that it may call."""
    from deltarule.engines.compiled import jit

    entry = entry_table.EntryPoint("", "int64", ("int64", "int64"))
    monkeypatch.setitem(entry_table.ENTRY_POINTS, planted.__name__, entry)
    jit.entry_point(planted)
    with pytest.raises(AssertionError, match=f"the compiled {planted.__name__} calls "):
        jit.machine_code(planted.__name__)


TRAIN = """
import sys
import numpy as np
if {blocked}:
    sys.modules["numba"] = None
from deltarule import Network, train
X = np.linspace(-1, 1, 20)[:, None]
result = train(Network([1, 3, 1]), X, X, epochs=2, engine="compiled")
print(result.engine, result.history.logs[-1].steps, "numba" in sys.modules)
"""


def test_code_in_the_cache_runs_without_numba():
    entry_functions("run_steps", "run_one")  # in the cache from here on
    for blocked in (False, True):
        done = subprocess.run(
            [sys.executable, "-c", TRAIN.format(blocked=blocked)],
            capture_output=True, text=True, timeout=300, check=False, env=os.environ.copy(),
        )  # fmt: skip
        assert done.stderr == ""
        assert done.stdout == f"compiled 2 {blocked}\n"
