"""One model in many threads, and fits in threads and processes, give the bits of one."""

import re
import sys
import warnings

import pytest
from benchmarks.concurrency import BACKENDS, fitted_models, predict_in_threads
from sklearn.exceptions import ConvergenceWarning
from tests.processes import in_a_process

pytest.importorskip("numba")


@pytest.fixture(scope="module")
def models():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fitted_models()


def test_eight_threads_predict_the_bits_of_one(models):
    assert len(models) >= 8
    for name, predict in models.items():
        done = predict_in_threads(predict, 8, 12)
        assert done.faults == [], name
        assert done.calls == 8 * 12, name


def test_the_comparison_notices_a_model_that_threads_disturb(models):
    calls = []

    def disturbed(X):
        calls.append(None)
        # The answers that the others are compared with come first.
        return models["bare model"](X) + (1e-9 if len(calls) > 300 else 0.0)

    assert predict_in_threads(disturbed, 8, 100).faults


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_fits_of_every_kind_of_job_give_the_bits_of_one_and_keep_to_their_cores():
    # As a user's process, whose threads no variable limits.
    code = "import os, sys; sys.argv[1:] = ['fits', '--jobs', '2', '--times', '1']"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        code += f"; os.environ.pop('{name}', None)"
    code += "; from benchmarks.concurrency import main; sys.exit(main())"
    text = " ".join(in_a_process(code))
    for backend in BACKENDS:
        found = re.search(rf"{backend}: 3 of 3 fits .*? in which (\S+) threads", text)
        assert found, text
        # A thread that only wakes up is seen as computing now and then.
        assert float(found[1]) < (3.5 if backend == "joblib threading" else 1.8), text
