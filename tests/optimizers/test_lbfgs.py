"""L-BFGS: equal to SciPy's; and its record."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import minimize

from deltarule.errors import InputError, UnknownName
from deltarule.optimizers import MINIMIZERS, RULES, Minimizer, Minimum


def rosenbrock(x):
    """f and its gradient; the minimum is 0 at (1, …, 1)."""
    a, b = x[1:] - x[:-1] ** 2, 1 - x[:-1]
    grad = np.zeros_like(x)
    grad[1:] += 200 * a
    grad[:-1] -= 400 * x[:-1] * a + 2 * b
    return float((100 * a * a + b * b).sum()), grad


START = np.array([-1.2, 1.0, -0.5, 0.8])


def run(function=rosenbrock, start=START, after=None, max_iterations=200, **settings):
    minimise = MINIMIZERS.get("lbfgs", **settings).bind(np)
    return minimise(function, start, after, max_iterations)


def test_it_is_scipy_called_directly_to_the_last_bit():
    asked, direct = [], []
    ours = run(lambda x: (asked.append(x.copy()), rosenbrock(x))[1], memory=5, max_line_search=7)
    options = {"maxcor": 5, "maxls": 7, "gtol": 1e-4, "maxiter": 200, "maxfun": 15000}
    theirs = minimize(
        lambda x: (direct.append(x.copy()), rosenbrock(x))[1],
        START,
        jac=True,
        method="L-BFGS-B",
        options=options,
    )
    assert np.array_equal(ours.theta, theirs.x)
    assert (ours.cost, ours.iterations, ours.evaluations) == (theirs.fun, theirs.nit, theirs.nfev)
    assert np.array_equal(asked, direct)
    assert ours.converged
    assert ours.reason == "converged"


def test_it_finds_the_minimum():
    end = run(gtol=1e-9, ftol=0.0)
    assert np.allclose(end.theta, 1.0, atol=1e-7)
    assert end.cost == pytest.approx(0.0, abs=1e-14)


def test_a_quadratic_of_full_memory_ends_exactly():
    A = np.diag([1.0, 10.0, 100.0])
    b = np.array([1.0, -2.0, 3.0])
    end = run(lambda x: (0.5 * x @ A @ x - b @ x, A @ x - b), np.zeros(3), gtol=1e-10, ftol=0.0)
    assert np.allclose(end.theta, np.linalg.solve(A, b), atol=1e-10)


def test_after_is_called_once_for_each_iterate_with_a_copy():
    seen = []
    end = run(after=seen.append)
    assert len(seen) == end.iterations
    assert np.array_equal(seen[-1], end.theta)
    assert len({tuple(x) for x in seen}) == len(seen)
    costs = [rosenbrock(x)[0] for x in seen]
    assert np.all(np.diff(costs) < 0)


def test_a_true_value_from_after_ends_the_search_where_it_is():
    seen = []
    end = run(after=lambda x: seen.append(x) or len(seen) == 3)
    assert (end.iterations, end.reason, end.converged) == (3, "stopped from outside", False)
    assert np.array_equal(end.theta, seen[-1])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_iterations": 4}, "all iterations done"),
        ({"max_evaluations": 5}, "evaluations are used up"),
        ({}, "converged"),
    ],
)
def test_why_it_ended(settings, reason):
    end = run(**settings)
    assert reason in end.reason
    assert end.converged == (reason == "converged")


def test_a_gradient_that_is_wrong_ends_in_the_line_search():
    end = run(lambda x: (float(x @ x), -2 * x), np.ones(2))
    assert end.reason == "the line search found no lower cost"
    assert not end.converged


def test_the_start_may_be_the_minimum():
    end = run(start=np.ones(4))
    assert (end.iterations, end.converged) == (0, True)
    assert np.array_equal(end.theta, np.ones(4))


def test_what_the_function_raises_comes_through():
    def broken(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(broken)


def test_the_start_is_left_alone_and_may_be_float32():
    start = START.astype(np.float32)
    kept = start.copy()
    end = run(start=start)
    assert np.array_equal(start, kept)
    assert end.theta.dtype == np.float64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"memory": 0}, "memory is 0; expected a whole number, at least 1"),
        ({"memory": 2.0}, "memory is 2.0"),
        ({"max_line_search": 0}, "max_line_search is 0"),
        ({"max_evaluations": True}, "max_evaluations is True"),
        ({"gtol": -1.0}, "gtol is -1.0; expected a number in"),
        ({"ftol": float("nan")}, "ftol is nan"),
        ({"tol": 1.0}, "minimizer 'lbfgs' has no parameter 'tol'"),
    ],
)
def test_a_setting_out_of_range_is_refused_when_the_record_is_made(settings, message):
    with pytest.raises(InputError, match=message):
        MINIMIZERS.get("lbfgs", **settings)


def test_it_is_a_record_like_others():
    record = MINIMIZERS.get("lbfgs", memory=5)
    assert MINIMIZERS.get(record.spec()) == record
    assert pickle.loads(pickle.dumps(record)) == record
    assert record.settings["memory"] == 5
    assert str(record).startswith("lbfgs(memory=5")
    assert record.summary
    assert record.latex


def test_it_is_no_rule():
    assert "lbfgs" not in RULES
    with pytest.raises(UnknownName):
        RULES.get("lbfgs")


def steepest_descent(xp, rate=0.1):
    def minimise(function, theta, after=None, max_iterations=200):
        for _ in range(max_iterations):
            theta = theta - rate * function(theta)[1]
            if after(theta):
                break
        cost, _ = function(theta)
        return Minimum(theta, cost, max_iterations, max_iterations, False, "done")

    return minimise


def test_a_minimizer_of_one_s_own_is_one_record():
    MINIMIZERS.register(Minimizer("steepest", steepest_descent, {"rate": 0.25}))
    try:
        minimise = MINIMIZERS.get("steepest").bind(np)
        end = minimise(lambda x: (float(x @ x), 2 * x), np.ones(2), lambda x: False, 60)
        assert np.allclose(end.theta, 0, atol=1e-12)
    finally:
        MINIMIZERS.unregister("steepest")


def test_scipy_is_loaded_when_it_is_needed_and_not_before():
    code = (
        "import sys, numpy as np; from deltarule.optimizers import MINIMIZERS; "
        "record = MINIMIZERS.get('lbfgs', memory=3); assert 'scipy' not in sys.modules; "
        "record.bind(np)(lambda x: (float(x @ x), 2 * x), np.ones(2)); "
        "assert 'scipy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
