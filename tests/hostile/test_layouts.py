"""Arrays in every layout and type: the result of a plain copy, or an error; none is changed.

A plain copy is C-contiguous and of float64; memory between the numbers is NaN, so that reading a
wrong byte is seen.
"""

import tempfile
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

import deltarule as dr
from deltarule.engines import make_predictor
from deltarule.errors import DeltaruleError
from deltarule.tabular.portfolio import Configuration

ROWS, COLUMNS = 12, 3
NETS = {
    dtype: dr.Network([COLUMNS, 4, 1], activation="tanh", dtype=dtype)
    for dtype in ("float64", "float32")
}
OPTIONS = {"epochs": 2, "batch_size": 5, "seed": 0, "guard": "off"}
RNG = np.random.default_rng(0)
FITTED_X = RNG.normal(size=(40, COLUMNS))
FITTED_Y = FITTED_X @ [1.0, -2.0, 0.5]
FEW = [Configuration("c", "robust", (4,), "silu", epochs=3)]

DTYPES = ("f8", "f4", "f2", "g", "i1", "u1", "i2", "i8", "u8", "?", "O")
SMALL = st.integers(-8, 8).map(lambda number: number / 4)
# The largest, the smallest and subnormal numbers of both types.
EXTREME = st.sampled_from(
    [0.0, -0.0, 1e300, -1e300, 3e38, 1e-310, 5e-324, -5e-324, 1e-40, 1.4e-45, 1.7e308, 1e100]
)


def holder(shape, dtype):
    """An array whose numbers would be seen: NaN, or the largest."""
    if dtype.kind == "O":
        return np.full(shape, None, dtype=dtype)
    if dtype.kind == "f":
        return np.full(shape, np.nan, dtype=dtype)
    return np.full(shape, True if dtype.kind == "b" else np.iinfo(dtype).max, dtype=dtype)


def widened(array, step):
    outer = holder(tuple(step * n + 3 for n in array.shape), array.dtype)
    view = outer[tuple(slice(1, 1 + step * n, step) for n in array.shape)]
    view[...] = array
    return view


def backwards(array):
    flipped = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[flipped])[flipped]


def swapped(array):
    return array.astype(array.dtype.newbyteorder())


def unaligned(array):
    if array.dtype.kind == "O":
        return array
    memory = np.frombuffer(bytearray(array.nbytes + 1), dtype=np.uint8)
    view = memory[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def mapped(array):
    if array.dtype.kind == "O" or not array.size:
        return array
    with tempfile.TemporaryFile() as file:
        file.write(array.tobytes())
        file.flush()
        return np.memmap(file, dtype=array.dtype, mode="r", shape=array.shape)


LAYOUTS = {
    "plain": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every second": lambda array: widened(array, 2),
    "a part of a larger one": lambda array: widened(array, 1),
    "backwards": backwards,
    "the other byte order": swapped,
    "unaligned": unaligned,
    "read-only": read_only,
    "memory-mapped": mapped,
    "a matrix of NumPy": lambda a: a.view(np.matrix) if a.ndim == 2 else a,
    "read-only, backwards, in the other byte order": lambda a: read_only(backwards(swapped(a))),
    "Fortran, every second": lambda array: widened(array.T, 2).T,
    "broadcast": lambda array: np.broadcast_to(array[:1], array.shape),
}


@st.composite
def laid_out(draw, rows=ROWS, columns=COLUMNS, *, extreme=True, dtypes=DTYPES):
    """An array in some layout and type, and a plain copy in float64."""
    shape = (rows, columns) if columns else (rows,)
    numbers = st.one_of(SMALL, EXTREME) if extreme and draw(st.booleans()) else SMALL
    count = int(np.prod(shape))
    values = np.array(draw(st.lists(numbers, min_size=count, max_size=count)), dtype=float)
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    with np.errstate(all="ignore"):
        if dtype.kind in "iu":
            values = np.clip(values, 0 if dtype.kind == "u" else -8, 8)
        array = values.reshape(shape).astype(dtype)
    name = draw(st.sampled_from(sorted(LAYOUTS)))
    given = LAYOUTS[name](array)
    return given, np.array(given, dtype=np.float64, order="C", copy=True)


def outcome(call):
    """The bytes of the results, or the name of the library's own error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = call()
        except DeltaruleError as error:
            return type(error).__name__
    return [np.asarray(each).tobytes() for each in (found if isinstance(found, tuple) else [found])]


def bits(array):
    return (
        (array.tobytes() if array.dtype.kind != "O" else repr(array.tolist())),
        array.dtype,
        array.shape,
        array.strides,
        array.flags.writeable,
    )


def compare(call, *arguments):
    """Call with the arrays and with their plain copies; the results are equal, the arrays too.

    Objects, and matrices of NumPy, which scikit-learn deprecates, may be refused.
    """
    given, plain = [each for each, _ in arguments], [each for _, each in arguments]
    before = [bits(each) for each in given]
    found, expected = outcome(lambda: call(*given)), outcome(lambda: call(*plain))
    assert [bits(each) for each in given] == before
    odd = any(each.dtype.kind == "O" or isinstance(each, np.matrix) for each in given)
    assert found == expected or (odd and found in ("InputError", "WrongType"))


def entries(net, engine):
    theta = net.initial(0)
    model = dr.Model(net, theta)
    predictor = make_predictor(net, theta, engine)

    def gradient(X, Y, w):
        trace = dr.backprop(net, theta, X, Y, w)
        return trace.grad, trace.cost

    def trained(X, Y, w):
        result = dr.train(net, X, Y, sample_weight=w, engine=engine, **OPTIONS)
        return result.theta, np.array(result.history.column("loss"))

    def many(X, Y, w):
        results = dr.train_many(
            net, X, Y, sample_weight=w, seeds=[1], epochs=1, batch_size=5, engine=engine
        )
        return results[0].theta

    def own_validation(X, Y, w):
        options = OPTIONS | {"epochs": 1}
        result = dr.train(net, X, Y, validation=(X, Y, w), engine=engine, **options)
        return result.theta, np.array(result.history.column("validation_loss"))

    return {
        "forward": lambda X, Y, w: tuple(dr.forward(net, theta, X).A),
        "cost": lambda X, Y, w: dr.cost(net, theta, X, Y, w),
        "backprop": gradient,
        "predict": lambda X, Y, w: model.predict(X, engine=engine),
        "predictor": lambda X, Y, w: predictor(X),
        "predictor of a row": lambda X, Y, w: predictor(X[0]),
        "train": trained,
        "train_many": many,
        "train, validated": own_validation,
    }


QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", NETS)
@pytest.mark.parametrize("name", entries(NETS["float64"], "reference"))
def test_a_network(name, dtype, engine):
    if engine == "compiled":
        pytest.importorskip("numba")
    call = entries(NETS[dtype], engine)[name]
    targets = laid_out(columns=1) if "train" in name or name in ("cost", "backprop") else st.none()
    weights = laid_out(columns=0, extreme=False)

    @QUICK
    @given(laid_out(), targets, weights)
    def check(X, Y, w):
        compare(call, X, Y or X, (abs_of(w[0]), np.abs(w[1])))

    check()


def abs_of(weights):
    """The weights without a sign, in their layout."""
    if weights.dtype.kind in "ub" or not weights.flags.writeable or 0 in weights.strides:
        return weights if (np.asarray(weights, dtype=float) >= 0).all() else np.abs(weights)
    np.abs(weights, out=weights)
    return weights


@pytest.mark.parametrize("name", entries(NETS["float64"], "reference"))
@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_and_one_row(name, rows):
    call = entries(NETS["float64"], "auto")[name]
    for layout in LAYOUTS.values():
        X, Y = layout(np.full((rows, COLUMNS), 0.5)), layout(np.full((rows, 1), 0.25))
        w = layout(np.ones(rows))
        if rows or "row" not in name:
            compare(call, *((each, np.array(each)) for each in (X, Y, w)))


@pytest.fixture(scope="module")
def estimators():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        portfolio = {"configurations": FEW, "random_state": 0}
        return {
            "MLPRegressor": dr.MLPRegressor(max_iter=2, random_state=0).fit(FITTED_X, FITTED_Y),
            "MLPClassifier": dr.MLPClassifier(max_iter=2, random_state=0).fit(
                FITTED_X, FITTED_Y > 0
            ),
            "TabularRegressor": dr.TabularRegressor(**portfolio).fit(FITTED_X, FITTED_Y),
            "TabularClassifier": dr.TabularClassifier(**portfolio).fit(FITTED_X, FITTED_Y > 0),
        }


@pytest.mark.parametrize(
    "name", ["MLPRegressor", "MLPClassifier", "TabularRegressor", "TabularClassifier"]
)
def test_predictions_of_an_estimator(name, estimators):
    estimator = estimators[name]
    predict = getattr(estimator, "predict_proba", estimator.predict)
    # A truth value is a level of a category, and no number, in a table.
    dtypes = tuple(each for each in DTYPES if each != "?" or name.startswith("MLP"))

    @QUICK
    @given(laid_out(dtypes=dtypes))
    def check(X):
        compare(predict, X)

    check()


@pytest.mark.parametrize("name", ["MLPRegressor", "MLPClassifier"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_fits_of_an_mlp(name, method):
    of_classes = name == "MLPClassifier"
    options = {"classes": [False, True]} if of_classes and method == "partial_fit" else {}

    def fitted(X, y):
        estimator = getattr(dr, name)(hidden_layer_sizes=(4,), max_iter=2, random_state=0)
        getattr(estimator, method)(X, y > 0 if of_classes else y, **options)
        return (*estimator.coefs_, *estimator.intercepts_)

    @QUICK
    @given(laid_out(), laid_out(columns=0, extreme=False, dtypes=("f8", "f4", "i1", "i8", "O")))
    def check(X, y):
        if X[0].dtype.newbyteorder("=") == np.float32:  # the type that the estimator takes over
            X = X[0], X[1].astype(np.float32)
        compare(fitted, X, y)

    check()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fits_of_a_table(layout):
    columns = FITTED_X.round(2)
    given, y = LAYOUTS[layout](columns), LAYOUTS[layout](FITTED_Y.round(2))

    def fitted(X, y):
        return dr.TabularRegressor(configurations=FEW, random_state=0).fit(X, y).oof_prediction_

    compare(fitted, *((each, np.array(each)) for each in (given, y)))
