"""Predictors: bits, copies of parameters, pickles, threads, bad input, and without Numba."""

import gc
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.processes import in_a_process

from deltarule.engines import (
    EngineSettings,
    Predictor,
    ReferenceEngine,
    make_predictor,
    predictor_cache,
)
from deltarule.errors import IncompatiblePair, InputError, NotCompilable, UnknownName
from deltarule.maths import ACTIVATIONS, LOSSES, Activation, Network, forward
from deltarule.training import Model

pytest.importorskip("numba")

from deltarule.engines.compiled import CompiledEngine, predict_layout
from deltarule.engines.compiled import predictor as compiled

DTYPES = ["float32", "float64"]


def rows(net, n=300, seed=0):
    return np.random.default_rng(seed).normal(size=(n, net.n_inputs)).astype(net.dtype)


def made(net, engine="compiled", **more):
    return make_predictor(net, net.initial(0), engine, **more)


def with_output(widths, name, dtype):
    """A network with that output activation, and the first loss that accepts it."""
    for loss in LOSSES.names():
        try:
            return Network(widths, "tanh", name, loss, dtype=dtype)
        except IncompatiblePair:
            continue
    raise AssertionError(f"no loss goes with {name}")


def same_bits(net, n=300, alone=(0, 1, 15, 255, 256, 299)):
    """Whether a row's bits are the same alone, among others, as a matrix, and by the engine."""
    predictor, X = made(net), rows(net, n)
    together = predictor(X)
    engine = CompiledEngine()
    engine.load(net, net.initial(0), EngineSettings())
    found = [np.array_equal(engine.predict(X), together, equal_nan=True)]
    for row in alone:
        each = (predictor(X[row]), predictor(X[row : row + 1])[0], predictor(X[row:])[0])
        found += [np.array_equal(one, together[row], equal_nan=True) for one in each]
    for size in (2, 7, 64):
        found.append(np.array_equal(predictor(X[:size]), together[:size], equal_nan=True))
    return all(found)


# -- bits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_a_row_has_the_same_bits_alone_and_among_others_for_every_activation(name, dtype):
    assert same_bits(with_output([5, 33, 17, 3], name, dtype))
    if ACTIVATIONS.get(name).elementwise:
        assert same_bits(Network([5, 33, 17, 3], name, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "widths",
    [[1, 1], [1, 1, 1], [3, 17, 32, 33, 49, 2], [200, 7], [7, 200], [400, 65, 130, 10], [48, 48]],
)
@pytest.mark.parametrize("bias", [True, False])
def test_for_widths_that_fill_vectors_and_panels_or_do_not(widths, bias, dtype):
    net = Network(widths, bias=bias, dtype=dtype)
    assert same_bits(net)
    eps = float(np.finfo(dtype).eps)
    X, theta = rows(net), net.initial(0)
    theta[~net.is_weight] = 0.5
    predicted = make_predictor(net, theta, "compiled")(X)
    np.testing.assert_allclose(predicted, forward(net, theta, X).output, atol=200 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_for_large_layers_and_among_ten_thousand_rows(dtype):
    net = Network([30, 600, 1200, 70], "tanh", dtype=dtype)
    assert same_bits(net, 300, alone=(0, 63, 64, 299))
    net = Network([9, 40, 3], dtype=dtype)
    assert same_bits(net, 10_000, alone=(0, 5_000, 8_191, 8_192, 9_999))


@pytest.mark.parametrize("heights", [None, (3, 2, 1), (5, 1)])
@pytest.mark.parametrize("processor", ["", "generic"])
def test_on_a_processor_without_avx_and_for_tiles_of_any_height(processor, heights):
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    code = f"""
from deltarule.engines.compiled import packed_gemm
if {heights} is not None:
    packed_gemm.tile_heights = lambda: {heights}
from tests.engines.test_predicting import Network, same_bits
nets = [Network([5, 33, 217, 3], "gelu", "softmax", "cross_entropy", dtype=d)
        for d in ("float32", "float64")]
print(*[same_bits(net) for net in nets])
"""
    assert in_a_process(code, DELTARULE_CPU=processor, PYTHONPATH=path) == ["True", "True"]


def test_a_prediction_by_several_threads_has_the_same_bits(monkeypatch):
    net = Network([9, 40, 3], "tanh", dtype=np.float32)
    X, single = rows(net, 1000), made(net)(rows(net, 1000))
    monkeypatch.setattr(compiled, "_WORK_PER_THREAD", 1000)
    for threads in (2, 3, 7):
        predictor = compiled.CompiledPredictor(net, net.initial(0), "compiled", threads)
        assert np.array_equal(predictor(X), single)


def test_the_initial_content_of_work_arrays_changes_nothing(monkeypatch):
    outcomes = []
    plain = compiled.aligned_bytes
    for value in (0, 0xFF):  # zeros, and NaN

        def filled(n_bytes, value=value):
            buffer = plain(n_bytes)
            buffer[:] = value
            return buffer

        monkeypatch.setattr(compiled, "aligned_bytes", filled)
        for output, loss in (
            ("identity", "huber"),
            ("softmax", "cross_entropy"),
            ("exp", "poisson"),
        ):
            net = Network([7, 19, 5, 3], "gelu", output, loss)
            outcomes += [made(net)(rows(net, n)) for n in (2, 17, 300)]
    for zeros, nans in zip(outcomes[:9], outcomes[9:], strict=True):
        assert np.isfinite(zeros).all()
        assert np.array_equal(zeros, nans)


# -- input and output -------------------------------------------------------------------------


def test_rows_of_any_type_and_layout_give_the_same_result():
    net = Network([4, 16, 16, 1], dtype=np.float32)
    for predictor in (made(net), made(net, "reference")):
        X = np.round(rows(net, 12) * 8) / 8  # exact in float16
        expected = predictor(X)
        row = X[0].copy()
        first = predictor(row)
        fixed = row.copy()
        fixed.flags.writeable = False
        shifted = np.zeros(17, dtype=np.uint8)[1:].view(np.float32)  # not aligned
        shifted[:] = row
        for form in (
            row, fixed, shifted, X[::-1][-1], np.asfortranarray(X)[0], row.tolist(), tuple(row),
            row.astype(np.float64), row.astype(np.float16), row.astype(">f4"), row[None][0],
            np.ma.masked_array(row),
        ):  # fmt: skip
            got = predictor(form)
            assert (got.shape, got.dtype, type(got)) == ((1,), np.float32, np.ndarray)
            assert np.array_equal(got, first)
        for form in (X, np.asfortranarray(X), X.tolist(), X.astype(float), X[::-1][::-1]):
            assert np.array_equal(predictor(form), expected)
        assert predictor(np.zeros((0, 4))).shape == (0, 1)
        assert predictor([1, 2, 3, 4]).shape == (1,)
        assert predictor(row) is not predictor(row)


def test_a_plain_row_takes_the_fast_path(monkeypatch):
    net = Network([4, 16, 16, 1], dtype=np.float32)
    predictor = made(net)
    monkeypatch.setattr(predictor, "predict_any", lambda x: "slow")
    x = rows(net, 1)
    assert predictor(x[0]).shape == (1,)
    assert predictor(x).shape == (1, 1)
    sent = pickle.loads(pickle.dumps(x[0]))  # its dtype is float32, and another object
    assert predictor(sent).shape == (1,)
    assert predictor(x[0].astype(float)) == "slow"
    assert predictor(rows(net, 2)) == "slow"


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones(3, np.float32), r"x has 3 numbers; expected one row, of shape \(4,\), or rows"),
        (np.ones((1, 5), np.float32), r"a row of x has 5 numbers; .*inputs of training"),
        (np.ones((4, 1), np.float32), "a row of x has 1 numbers"),
        (np.ones((2, 2, 4), np.float32), r"x has shape \(2, 2, 4\); expected .*: reshape it"),
        (np.float32(1), r"x has shape \(\); expected"),
        (["a", "b", "c", "d"], r"x has dtype <U1; expected numbers.*encode text"),
        ([None] * 4, "x has dtype object; expected numbers"),
        (np.ones(4, complex), "x has dtype complex128; expected numbers"),
        ([[1, 2, 3, 4], [1, 2]], r"x is no array \(.*inhomogeneous.*\); expected one row"),
        (np.array([1, np.nan, 0, 0], np.float32), r"x\[1\] is nan; expected finite .*impute"),
        (np.array([[1, 1, 1, -np.inf]], np.float32), r"x\[0, 3\] is -inf; expected finite"),
        ([1, 1, 1e300, 1], r"x\[2\] is 1e\+300; expected .* in the range of float32"),
    ],
    ids=str,
)
def test_bad_input_is_refused_with_its_description_and_advice(given, message, engine):
    with pytest.raises(InputError, match=message):
        made(Network([4, 16, 1], dtype=np.float32), engine)(given)


def test_a_number_that_is_not_finite_is_named_by_its_index_in_the_whole_input():
    net = Network([2, 1], dtype=np.float32)
    X = np.ones((20_000, 2))
    X[15_000, 1] = np.nan
    with pytest.raises(InputError, match=r"x\[15000, 1\] is nan"):
        made(net)(X)


def test_an_output_that_overflows_is_returned():
    net = Network([1, 1], output_activation="exp", loss="poisson", dtype=np.float32)
    for engine in ("compiled", "reference"):
        predictor = make_predictor(net, net.pack(W=[[[1.0]]]), engine)
        assert predictor([1000.0])[0] == np.inf


def test_a_network_too_large_for_the_stack_or_the_lock_predicts_a_row():
    for widths in ([2, 20_000, 1], [600, 600, 1]):
        net = Network(widths, dtype=np.float32)
        assert not made(net).quick
        assert same_bits(net, 40, alone=(0, 39))
    assert made(Network([784, 128, 64, 10], dtype=np.float32)).quick


# -- copies of parameters, pickles, threads ----------------------------------------------------


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_keeps_the_parameters_with_which_it_was_made(engine, dtype):
    net = Network([3, 20, 35, 2], dtype=dtype)
    model = Model(net, net.initial(0))
    predictor, X = model.compile_predictor(engine), rows(net, 9)
    before = model.predict(X, engine)
    model.theta[:] = 0
    assert np.array_equal(predictor(X), before)
    assert not model.predict(X, engine).any()
    assert np.array_equal(predictor.theta, net.initial(0))
    predictor.theta[:] = 0
    again = pickle.loads(pickle.dumps(predictor))
    assert isinstance(again, Predictor)
    assert again.engine == engine
    assert np.array_equal(again(X), before)


def test_the_parameters_of_a_network_without_biases_are_returned():
    net = Network([3, 20, 2], bias=False)
    assert np.array_equal(made(net).theta, net.initial(0))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_threads_that_share_a_predictor_get_their_own_results(engine):
    net = Network([6, 40, 40, 3], "tanh", "softmax", "cross_entropy", dtype=np.float32)
    predictor, X = made(net, engine), rows(net, 64)
    expected = [predictor(x) for x in X]
    matrices = [predictor(X[i : i + 8]) for i in range(56)]

    def ask(start):
        wrong = 0
        for i in range(400):
            at = (start * 7 + i) % 56
            wrong += not np.array_equal(predictor(X[at]), expected[at])
            wrong += not np.array_equal(predictor(X[at : at + 8]), matrices[at])
        return wrong

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == [0] * 8
    finally:
        sys.setswitchinterval(interval)


# -- the choice of an engine -------------------------------------------------------------------


def branching(xp):
    return (lambda z: z if z > 0 else 0 * z), (lambda z, a: xp.where(z > 0, 1, 0))


class CountingEngine(ReferenceEngine):
    """Counts the calls of ``predict``."""

    name = "counting"
    asked = 0

    def predict(self, X, averaged=False):
        type(self).asked += 1
        return super().predict(X, averaged)


def test_the_argument_and_the_environment_variable_select_the_engine(monkeypatch):
    net = Network([4, 16, 1], dtype=np.float32)
    X = rows(net, 5)
    exact = forward(net, net.initial(0), X).output
    assert made(net, "auto").engine == "compiled"
    for engine in ("reference", "checked"):
        assert made(net, engine).engine == engine
        assert np.array_equal(made(net, engine)(X), exact)
    monkeypatch.setenv("DELTARULE_ENGINE", "reference")
    assert made(net, "auto").engine == "reference"
    assert made(net, "compiled").engine == "compiled"
    with pytest.raises(UnknownName, match="unknown engine 'ghost'"):
        made(net, "ghost")
    with pytest.raises(InputError, match="engine is 3; expected a name"):
        made(net, 3)


def test_an_engine_instance_is_not_changed():
    net = Network([2, 3, 1])
    for engine in (CountingEngine(), CompiledEngine()):
        engine.load(net, net.initial(5), EngineSettings(rule="adam"))
        before = engine.state()
        made(net, engine)(rows(net, 3))
        assert all(np.array_equal(engine.state()[name], before[name]) for name in before)
    assert CountingEngine.asked == 1
    assert made(net, CountingEngine).engine == "counting"


def test_a_formula_that_cannot_be_compiled_is_predicted_by_the_reference_engine():
    net = Network([1, 1], output_activation=Activation("branching", branching))
    assert made(net, "auto").engine == "reference"
    assert made(net, "auto")([2.0]) == forward(net, net.initial(0), [[2.0]]).output[0]
    with pytest.raises(NotCompilable, match=r"xp\.where"):
        made(net, "compiled")


def test_without_numba_a_pickle_is_loaded_with_the_reference_engine():
    net = Network([3, 4, 1])
    data = pickle.dumps(made(net, "auto")).hex()
    code = f"""
import pickle, sys
sys.modules["numba"] = sys.modules["llvmlite"] = None
predictor = pickle.loads(bytes.fromhex("{data}"))
print(predictor.engine, *predictor([1, 2, 3]))
from deltarule.engines import make_predictor
from deltarule.errors import MissingDependency
try:
    make_predictor(predictor.net, predictor.theta, "compiled")
except MissingDependency as error:
    print("engine='reference'" in str(error))
"""
    engine, value, advised = in_a_process(code)
    assert (engine, advised) == ("reference", "True")
    assert float(value) == pytest.approx(made(net)([1, 2, 3])[0], rel=1e-14)


def test_an_engine_in_training_predicts_large_layers_with_the_same_bits():
    net = Network([30, 600, 1200, 70], dtype=np.float32)
    engine, X = CompiledEngine(), rows(net, 130)
    engine.load(net, net.initial(0), EngineSettings(averaging=0.5))
    together = engine.predict(X, averaged=True)
    for row in (0, 63, 129):
        assert np.array_equal(engine.predict(X[row : row + 1])[0], together[row])


# -- the cache of predictors -------------------------------------------------------------------


def test_a_model_s_predictor_is_cached_until_a_parameter_changes_or_the_model_is_deleted():
    net = Network([3, 8, 2], dtype=np.float32)
    model, X = Model(net, net.initial(0)), rows(net, 5)
    model.predict(X)
    held = len(predictor_cache._ENTRIES)
    kept = predictor_cache._ENTRIES[id(model)]
    model.predict(X)
    assert predictor_cache._ENTRIES[id(model)] is kept
    # A change of one bit of any parameter is noticed, whether it fills a vector or not.
    for entry in range(net.n_parameters):
        before = model.predict(X)
        model.theta[entry] = np.nextafter(model.theta[entry], np.float32(2))
        assert not kept.guarded
        got = model.predict(X)
        kept = predictor_cache._ENTRIES[id(model)]
        assert np.array_equal(got, Model(net, model.theta.copy()).predict(X))
        assert before.shape == got.shape
    del model, kept
    gc.collect()
    assert len(predictor_cache._ENTRIES) < held


def test_a_model_with_another_dtype_or_layout_is_not_cached_and_predicts_correctly():
    net = Network([3, 8, 2], dtype=np.float32)
    X = rows(net, 5)
    expected = Model(net, net.initial(0)).predict(X)
    wide = np.repeat(net.initial(0), 2)[::2]
    for theta in (net.initial(0).tolist(), net.initial(0).astype(float), wide):
        model = Model(net, theta)
        assert np.array_equal(model.predict(X), expected)
        assert id(model) not in predictor_cache._ENTRIES


def test_the_results_of_run_one_are_distinct():
    answers = (
        predict_layout.DONE,
        predict_layout.WRONG_SHAPE,
        predict_layout.NOT_FINITE,
        predict_layout.ARRAY_CHANGED,
    )
    assert answers[0] == 0
    assert len(set(answers)) == 4


@pytest.mark.parametrize("threads", [1, 2])
def test_many_rows_are_predicted_in_several_calls_and_ctrl_c_ends_between_two(threads, monkeypatch):
    net = Network([5, 7, 3], "tanh", dtype="float32")
    X, predictor, right = rows(net), made(net), made(net)(rows(net))
    monkeypatch.setattr(compiled, "_WORK_PER_THREAD", 1)
    monkeypatch.setattr(compiled, "_CALL_WORK", 1)
    predictor.threads = threads
    run, lengths = compiled.CompiledPredictor._run, []

    def counted(self, some, out):
        lengths.append(len(some))
        run(self, some, out)
        if limit and len(lengths) >= limit:  # two threads may append before either looks
            raise KeyboardInterrupt

    monkeypatch.setattr(compiled.CompiledPredictor, "_run", counted)
    limit, out = 0, np.empty_like(right)
    predictor.rows(X, out)
    assert np.array_equal(out, right)
    assert max(lengths) <= 16
    assert sum(lengths) == len(X)
    lengths.clear()
    limit = 1
    with pytest.raises(KeyboardInterrupt):
        predictor.rows(X, out)
    assert threads > 1 or len(lengths) == 1
