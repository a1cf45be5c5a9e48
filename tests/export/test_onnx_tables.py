"""Models of tables as ONNX graphs: each encoder, missing cells, unseen levels, portfolios."""

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from tests.tabular.small_portfolio import train_few_configurations

from deltarule import TabularClassifier, TabularRegressor
from deltarule.errors import ExportMismatch, InputError
from deltarule.export import onnx_encoders, onnx_graph, onnx_tables
from deltarule.export.onnx_columns import InputColumns
from deltarule.export.onnx_encoders import encoder_nodes
from deltarule.export.onnx_graph import Graph
from deltarule.export.onnx_rows import table_rows
from deltarule.export.onnx_tables import _TableSource
from deltarule.tables import (
    TableEncoder,
    TextColumn,
    apply_schema,
    infer_schema,
    read_table,
    table_from_frame,
)
from deltarule.tables.number_encoders import NUMBER_ENCODERS
from deltarule.tabular import TableSettings, fit_table
from deltarule.tabular.portfolio import Configuration

N = 300


def make_frame(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=N)
    x[::7] = np.nan
    x[1] = 900.0
    moments = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 8e7, N), unit="s")
    town = rng.choice(["Ulm", "Bonn", "nan", "São Paulo"], N).astype(object)
    town[3::11] = None
    town[4], town[50] = "Rom", "Oslo"
    many = np.array([f"id{k}" for k in rng.integers(0, 40, N)], dtype=object)
    many[::17] = None
    frame = pd.DataFrame(
        {
            "x": x,
            "a b/ü": rng.lognormal(size=N),
            "sold": moments,
            "day": moments.normalize(),
            "town": town,
            "label": rng.choice(["1", "2.5", "7"], N),
            "flag": rng.random(N) > 0.5,
            "many": many,
            "few": rng.choice([0.0, 1.0, 3.0], N),
        }
    )
    frame.loc[5::13, "sold"] = pd.NaT
    return frame


FRAME = make_frame()
Y = np.exp(np.nan_to_num(FRAME.x.clip(-2, 2)) + (FRAME.town == "Ulm"))


def run(content, feed):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def as_inputs(frame):
    """A frame as a caller prepares it, by the documentation."""
    found = {}
    for name in frame:
        cells = frame[name]
        if cells.dtype.kind == "M":
            found[name] = ((cells - pd.Timestamp("1970-01-01")) / pd.Timedelta("1D")).to_numpy()
        elif cells.dtype.kind == "f" or name == "label":  # a column of numbers, read from texts
            found[name] = cells.to_numpy(dtype=np.float64)
        elif cells.dtype.kind == "b":
            found[name] = np.array([str(each).lower() for each in cells], dtype=object)
        else:
            found[name] = cells.fillna("").to_numpy(dtype=object)
    return found


def features_of(encoder, schema, rows, dtype=np.float64):
    graph = Graph()
    value = encoder_nodes(InputColumns(graph, schema), encoder, dtype)
    graph.output("features", value, ("N", encoder.n_features), "")
    feed = _TableSource.feed(None, rows)
    return run(graph.model("", {}), feed)["features"]


@pytest.mark.parametrize("numbers", NUMBER_ENCODERS)
@pytest.mark.parametrize(
    "options",
    [{}, {"calendar": True, "one_hot_levels": 5}, {"random_features": 4, "min_rows": 20}],
    ids=["plain", "calendar and statistics", "random features and rare levels"],
)
def test_every_encoder(numbers, options):
    table = table_from_frame(FRAME)
    schema = infer_schema(table)
    typed = apply_schema(schema, table, need_target=False)
    targets = Y.to_numpy()[:, None]
    encoder = TableEncoder(numbers=numbers, **options).fit(typed, schema, targets=targets)
    levels = {
        name: list(cells.counts())
        for name, cells in typed.columns.items()
        if isinstance(cells, TextColumn)
    }
    for given in (typed, None):
        rows = table_rows(schema, levels, given)
        wanted = encoder.transform(apply_schema(schema, rows, need_target=False))
        found = features_of(encoder, schema, rows)
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)
        # Nothing of the test is empty: missing cells, and each column with several values.
        assert (np.ptp(wanted, axis=0) > 0).mean() > 0.9


MIXED = Configuration("mixed", "quantile_normal", (4,), "tanh", epochs=4, random_features=3)
CONFIGURATIONS = (
    Configuration("silu", "robust", (6,), "silu", epochs=4),
    MIXED,
    Configuration("waves", "periodic", (4,), "gelu", epochs=4, one_hot_levels=20),
    Configuration("bins", "piecewise_linear", (4, 3), "mish", epochs=4),
)
LOGARITHMS = Configuration("logarithms", "standard", (4,), epochs=4, log_target=True)
TARGETS = {
    "number": (TabularRegressor, Y),
    "two": (TabularClassifier, np.array(["low", "high"])[(Y > 1).astype(int)]),
    "truth": (TabularClassifier, Y > 1),
    "three": (TabularClassifier, np.digitize(Y, [0.7, 2]) + 5),
}


def with_equal_weights(model):
    """The model with all members in its mean, as a choice by scores would not leave them."""
    members = model.portfolio_.members
    for member in members:
        object.__setattr__(member, "weight", 1 / len(members))
    object.__setattr__(model.portfolio_, "temperature", 1.7)
    return model


@pytest.fixture(scope="module")
def fitted():
    """A portfolio for each kind of target, trained once."""
    found = {}
    for name, (kind, y) in TARGETS.items():
        configurations = [*CONFIGURATIONS, *([LOGARITHMS] if name == "number" else [])]
        model = kind(configurations=configurations, quality="fast").fit(FRAME, y)
        found[name] = with_equal_weights(model)
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_a_portfolio_predicts_in_one_graph(name, fitted):
    model = fitted[name]
    exported = model.to_onnx(data=FRAME)
    assert exported.inputs == tuple(FRAME)
    assert (exported.rows, exported.largest_error < 64) == (N + 100, True)
    assert model.to_onnx().rows == 300
    found = run(exported.content, as_inputs(FRAME))
    if name == "number":
        np.testing.assert_allclose(found["prediction"], model.predict(FRAME), rtol=1e-4)
        assert "intervals" in exported.notes[0]
    else:
        assert exported.outputs == ("label_", "probabilities")  # a column is named label
        np.testing.assert_array_equal(found["label_"], model.predict(FRAME))
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(FRAME), atol=1e-4)
        assert exported.notes == ()
    one = run(exported.content, as_inputs(FRAME[:1]))
    assert {key: len(values) for key, values in one.items()} == dict.fromkeys(found, 1)


def wrong_levels(patch):
    """The level that training did not see is taken for the first one."""
    right = InputColumns.text_codes
    patch.setattr(
        InputColumns,
        "text_codes",
        lambda self, name, known, codes: right(
            self, name, known, lambda labels: np.append(codes(labels)[:-1], 0)
        ),
    )


def wrong_missing(patch):
    """Missing numbers are not filled in."""

    def values(self, cells):
        columns = [cell.column for cell in cells]
        return self.graph.columns(self.inputs.values, columns, len(self.inputs.numbers))

    patch.setattr(onnx_encoders._Plan, "_filled", values)


def wrong_knots(patch):
    right = onnx_encoders._interpolated
    patch.setattr(onnx_encoders, "_interpolated", lambda x, cells: right(x * 1.0001, cells))


def wrong_waves(patch):
    patch.setitem(onnx_graph._OPERATORS, "sin", "Tanh")


def wrong_temperature(patch):
    right = onnx_tables.calibrated
    patch.setattr(
        onnx_tables,
        "calibrated",
        lambda graph, portfolio, value: right(
            graph, dataclasses.replace(portfolio, temperature=1.701), value
        ),
    )


def wrong_weights(patch):
    right = onnx_tables.decoded
    patch.setattr(onnx_tables, "decoded", lambda *arguments: right(*arguments) * 0.999)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("two", wrong_levels),
        ("three", wrong_missing),
        ("two", wrong_knots),
        ("three", wrong_waves),
        ("two", wrong_temperature),
        ("number", wrong_weights),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_wrong_graph_is_refused_and_not_written(name, fault, fitted, monkeypatch, tmp_path):
    fault(monkeypatch)
    with pytest.raises(ExportMismatch, match="nothing was written"):
        fitted[name].to_onnx(tmp_path / "m.onnx", FRAME)
    assert not list(tmp_path.iterdir())


def small_csv(folder, text):
    path = folder / "t.csv"
    path.write_text("k,prediction,when,y\n" + text)
    return path


def lines_of(levels):
    return "".join(
        f"{levels[i % len(levels)]},{i % 9 if i % 5 else -999},2024-02-{i % 28 + 1:02},"
        f"{(i % len(levels)) * 3 + i % 9}\n"
        for i in range(80)
    )


def test_a_kept_level_nan_is_told_from_a_missing_one(tmp_path):
    """And a missing token that is a number, and a column named as an output."""
    text = lines_of(["nan", "NA", "", "Ulm"])
    table = read_table(small_csv(tmp_path, text))
    schema = infer_schema(table, "y", keep_na=["k"], na={"prediction": "-999"})
    model = fit_table(table, schema, TableSettings(layers=(4,), epochs=30, folds=0))
    exported = model.to_onnx(tmp_path / "m.onnx", table)
    assert exported.outputs == ("prediction_",)
    kinds = np.array(["nan", "NA", "", "Ulm", "NaN"], dtype=object)
    feed = {"k": kinds, "prediction": np.full(5, 3.0), "when": np.full(5, 19760.0)}
    found = run(exported.content, feed)["prediction_"]
    assert len(np.unique(found.round(3))) == 5
    missing, token = (
        run(exported.content, feed | {"prediction": np.full(5, x)})["prediction_"]
        for x in (np.nan, -999.0)
    )
    np.testing.assert_array_equal(missing, token)
    assert (missing != found).any()


def test_missing_tokens_and_other_spellings_of_levels_are_read_as_in_a_table(tmp_path):
    levels = ["1", "2", "", "3.5"]
    table = read_table(small_csv(tmp_path, lines_of(levels)))
    schema = infer_schema(table, "y", kinds={"k": "category"})
    model = fit_table(table, schema, TableSettings(layers=(4,), epochs=30, folds=0))
    content = model.to_onnx(data=table).content

    def predicted(text):
        feed = {"k": np.array([text], dtype=object)}
        feed |= {"prediction": np.ones(1), "when": np.full(1, 19760.0)}
        return float(run(content, feed)["prediction_"][0])

    assert predicted("1") == predicted("1.0") != predicted("2")
    assert predicted("") == predicted("NaN") == predicted("n/A") == predicted("?")
    assert predicted("unseen") != predicted("")


@pytest.mark.parametrize("target", ["y", "k"])
def test_models_of_fit_table(target, tmp_path, monkeypatch):
    train_few_configurations(monkeypatch)
    monkeypatch.setattr("deltarule.tabular.distill._ROW_VISITS", 0)
    monkeypatch.setattr("deltarule.tabular.distill._LEAST_EPOCHS", 3)
    table = read_table(small_csv(tmp_path, lines_of(["a", "b", "c"])))
    model = fit_table(table, target)
    for each in (model, model.distill(table), model.network()):
        exported = each.to_onnx(tmp_path / "m.onnx", table, overwrite=True)
        assert exported.largest_error < 64
        assert each.to_onnx().largest_error < 64
        props = onnx.load(tmp_path / "m.onnx").metadata_props
        found = {prop.key: json.loads(prop.value) for prop in props}
        assert found["deltarule.schema"] == json.loads(json.dumps(model.schema.to_dict()))
        assert found["deltarule.scores"] == json.loads(json.dumps(each.report["scores"]))
        if target == "k":
            assert found["deltarule.classes"] == ["a", "b", "c"]


def test_what_has_no_form_is_named_before_anything_is_written(tmp_path):
    words = ["red", "blue", "door", "wheel", "old", "new", "car", "house"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, 6)) for _ in range(80)]
    frame = pd.DataFrame({"x": rng.normal(size=80), "review": texts})
    few = [Configuration("plain", "standard", (3,), epochs=2)]
    model = TabularRegressor(configurations=few, quality="fast").fit(frame, frame.x)
    with pytest.raises(
        InputError, match=r"free text in the column 'review', .* nothing was written"
    ):
        model.to_onnx(tmp_path / "m.onnx", frame)
    labels = pd.to_datetime(["2024-01-01", "2024-01-02"] * 40).to_numpy()
    model = TabularClassifier(configurations=few, quality="fast").fit(frame[["x"]], labels)
    with pytest.raises(InputError, match=r"of type datetime64.* nothing was written"):
        model.to_onnx(tmp_path / "m.onnx", frame)
    with pytest.raises(InputError, match="this TabularClassifier is not fitted"):
        TabularClassifier().to_onnx(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_the_most_extreme_numbers(tmp_path):
    """Of columns whose differences overflow, and that are one value with exceptions."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "huge": rng.choice([-1.7e308, 1.7e308, 1e308], N),
            "tiny": rng.normal(size=N) * 1e-300,
            "spike": np.where(np.arange(N) % 50, 0.0, 1.0),
            "empty": np.full(N, np.nan),
        }
    )
    y = frame.spike + rng.normal(size=N)
    each = [Configuration(numbers, numbers, (3,), epochs=2) for numbers in NUMBER_ENCODERS]
    model = TabularRegressor(configurations=each, quality="fast").fit(frame, y)
    assert with_equal_weights(model).to_onnx(data=frame).largest_error < 64
