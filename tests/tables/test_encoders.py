"""Columns as features and targets as numbers, and back."""

import json
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.errors import DataError, InputError
from deltarule.tables import (
    Column,
    Schema,
    TableEncoder,
    TargetEncoder,
    TypedColumns,
    infer_schema,
)
from deltarule.tables.column_encoders import mean_and_std, weighted_median


def typed_of(weights=None, **columns):
    arrays, n = {}, 0
    for name, cells in columns.items():
        is_text = any(isinstance(cell, str) for cell in cells)
        arrays[name] = np.empty(len(cells), dtype=object if is_text else np.float64)
        arrays[name][:] = cells
        n = len(cells)
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    return TypedColumns(arrays, rows=np.arange(n), weights=w)


def schema_of(typed):
    return Schema(
        tuple(
            Column(name, "category" if cells.dtype == object else "number")
            for name, cells in typed.columns.items()
        )
    )


def fitted(typed, **settings):
    return TableEncoder(**settings).fit(typed, schema_of(typed))


def test_numbers_are_standardised():
    typed = typed_of(x=[1.0, 2.0, 3.0, 4.0])
    encoder = fitted(typed)
    matrix = encoder.transform(typed)
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(matrix.std(axis=0), 1)
    assert (matrix.dtype, matrix.flags.c_contiguous) == (np.float64, True)
    assert encoder.feature_names == ("x",)
    assert encoder.n_features == 1


def test_missing_numbers_get_the_median_and_an_indicator():
    typed = typed_of(x=[0.0, np.nan, 1.0, 10.0])
    encoder = fitted(typed)
    assert encoder.feature_names == ("x", "x=(missing)")
    assert encoder.feature_columns == ("x", "x")
    matrix = encoder.transform(typed)
    assert matrix[1, 0] == matrix[2, 0]  # the median is 1
    assert matrix[:, 1].tolist() == [0, 1, 0, 0]


def test_a_number_missing_only_later_gets_the_median():
    encoder = fitted(typed_of(x=[0.0, 1.0, 10.0]))
    later = encoder.transform(typed_of(x=[np.nan, 1.0]))
    assert later.shape == (2, 1)
    assert later[0, 0] == later[1, 0]


def test_nothing_is_clipped():
    encoder = fitted(typed_of(x=[0.0, 2.0]))
    assert encoder.transform(typed_of(x=[1e6 + 1]))[0, 0] == 1e6


def test_levels_missing_rare_and_unseen():
    cells = ["a"] * 12 + ["b"] * 10 + ["c"] * 9 + ["d"] + [None] * 2
    encoder = fitted(typed_of(t=cells), min_rows=10)
    assert encoder.feature_names == ("t=a", "t=b", "t=(other)", "t=(missing)")
    rows = encoder.transform(typed_of(t=["a", "b", "c", "d", "new", None]))
    assert rows.tolist() == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 1, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
    ]


def test_without_rare_levels_an_unseen_one_is_all_zeros():
    encoder = fitted(typed_of(t=["a"] * 12 + ["b"] * 12))
    typed = typed_of(t=["a", "new", None])
    assert encoder.transform(typed).tolist() == [[1, 0], [0, 0], [0, 0]]
    assert encoder.notes(typed) == (
        "column 't': 1 cell holds a level that training did not see: 'new'",
    )
    many = typed_of(t=[f"n{i}" for i in range(5)])
    assert encoder.notes(many)[0].endswith("did not see: 'n0', 'n1', 'n2' and 2 more")


def test_what_counts_as_rare():
    cells = ["a"] * 30_000 + ["b"] * 4 + ["c"] * 3
    assert fitted(typed_of(t=cells)).feature_names == ("t=a", "t=b", "t=(other)")
    assert fitted(typed_of(t=cells), min_rows=3).feature_names == ("t=a", "t=b", "t=c")
    assert fitted(typed_of(t=cells[-9:])).feature_names == ("t=a", "t=b", "t=c")
    # A level of one row counts unless over 90 % of the cells differ, as those of names do.
    assert fitted(typed_of(t=["a", "a", "b", "c", "c", "c"])).feature_names == ("t=a", "t=b", "t=c")
    assert fitted(typed_of(t=["a", "a", "b", "c"])).feature_names == ("t=a", "t=b", "t=c")
    names = ["a", "a", *(f"n{i:02d}" for i in range(18))]
    assert fitted(typed_of(t=names)).feature_names == ("t=a", "t=(other)")
    fewer = fitted(typed_of(t=[*names, "n00", "n01"])).feature_names
    assert len(fewer) == 19
    missing = fitted(typed_of(t=[*names, *[None] * 9])).feature_names
    assert missing == ("t=a", "t=(other)", "t=(missing)")


def test_at_most_so_many_levels():
    cells = [f"l{i:03d}" for i in range(300) for _ in range(10 + (i < 5))]
    assert fitted(typed_of(t=cells)).n_features == 300
    assert fitted(typed_of(t=cells * 40)).n_features == 201
    encoder = fitted(typed_of(t=cells), max_levels=5)
    assert encoder.feature_names == (*(f"t=l{i:03d}" for i in range(5)), "t=(other)")


def test_features_that_do_not_vary_are_left_out():
    typed = typed_of(c=[5.0, 5.0, 5.0], one=["a", "a", "a"], ids=["x", "y", "z"], x=[1.0, 2.0, 3.0])
    encoder = fitted(typed)
    assert encoder.feature_names == ("x",)
    assert encoder.transform(typed).shape == (3, 1)
    flags = typed_of(f=[1.0, np.nan, 1.0])
    assert fitted(flags).feature_names == ("f=(missing)",)
    assert fitted(flags).transform(flags).ravel().tolist() == [0, 1, 0]
    empty = typed_of(void=[np.nan, np.nan], x=[1.0, 2.0])
    assert fitted(empty).feature_names == ("x",)
    with pytest.raises(DataError, match=r"no column varies in the 3 training rows \(a\)"):
        fitted(typed_of(a=["k", "k", "k"]))
    rare = r"varies, rare levels of categories aside, in the 3 training rows \(a\).*min_level_rows="
    with pytest.raises(DataError, match=rare):
        fitted(typed_of(a=["k", "l", "m"]))


def test_a_level_that_reads_like_a_mark():
    names = fitted(typed_of(t=["(other)", "b", None]), min_rows=1).feature_names
    assert names == ("t='(other)'", "t=b", "t=(missing)")


def test_large_and_small_numbers():
    for cells in ([1e300, -1e300, 0.0], [1e-300, 3e-300, 2e-300], [1e9, 1e9 + 1e-6, 1e9 + 2e-6]):
        typed = typed_of(x=cells)
        matrix = fitted(typed).transform(typed)
        assert np.isfinite(matrix).all()
        assert 0.9 < matrix.std() < 1.1
    constant = fitted(typed_of(x=[0.1] * 3, y=[1.0, 2.0, 3.0]))
    assert constant.column_encoders[0].std == 1.0


def test_a_number_too_large_for_the_dtype_is_refused():
    encoder = fitted(typed_of(x=[0.0, 2.0]))
    wild = typed_of(x=[1.0, 1e200])
    assert encoder.transform(wild)[1, 0] == 1e200
    with pytest.raises(
        DataError, match=r"column 'x' holds .*1e\+200.* in row 2 .* too large for float32"
    ):
        encoder.transform(wild, dtype=np.float32)
    assert encoder.transform(typed_of(x=[1.0]), dtype="float32").dtype == np.float32


def test_a_table_is_typed_by_the_schema(make_table):
    table = make_table(x=["1", "2", "5"], t=["a", "b", "a"], y=[1.0, 2.0, 4.0])
    schema = infer_schema(table, "y")
    encoder = TableEncoder(min_rows=1).fit(table, schema)
    new = make_table(x=["1"], t=["b"])
    assert encoder.transform(new).shape == (1, 3)
    loaded = TableEncoder.from_dict(encoder.to_dict())
    with pytest.raises(InputError, match="given a Table; expected TypedColumns; use apply_schema"):
        loaded.transform(new)


@pytest.mark.parametrize(
    "setting", [{"max_levels": 0}, {"min_rows": 0}, {"max_levels": 1.5}, {"min_rows": True}]
)
def test_settings_that_are_refused(setting):
    with pytest.raises(InputError, match="expected an integer of at least 1"):
        TableEncoder(**setting)


def test_uses_that_are_refused():
    typed = typed_of(x=[1.0, 2.0], t=["a", "b"])
    encoder = fitted(typed)
    with pytest.raises(InputError, match="dtype is int64; expected float64 or float32"):
        encoder.transform(typed, dtype=np.int64)
    with pytest.raises(InputError, match="the columns lack 't'; expected those the encoder was"):
        encoder.transform(typed_of(x=[1.0]))
    with pytest.raises(InputError, match="not fitted; call fit with training rows first"):
        TableEncoder().transform(typed)
    with pytest.raises(InputError, match="not fitted"):
        TableEncoder().to_dict()
    with pytest.raises(InputError, match="given a list; expected a Table or TypedColumns"):
        encoder.fit([1.0], schema_of(typed))
    with pytest.raises(DataError, match="there are no rows to fit the encoder on"):
        encoder.fit(typed.take([]), schema_of(typed))


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan], [1.0, np.inf]])
def test_weights_that_are_refused(weights):
    typed = typed_of(x=[1.0, 2.0])
    with pytest.raises(InputError, match="weights"):
        TableEncoder().fit(typed, schema_of(typed), weights=weights)


def test_zero_rows_are_encoded():
    encoder = fitted(typed_of(x=[1.0, 2.0], t=["a", "b"]), min_rows=1)
    assert encoder.transform(typed_of(x=[1.0], t=["a"]).take([])).shape == (0, 3)


numbers = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
rows = st.lists(
    st.tuples(numbers, st.sampled_from(["a", "b", "c", "(other)", None]), st.integers(0, 3)),
    min_size=2,
    max_size=30,
)


def columns_of(rows):
    x, t = np.empty(len(rows)), np.empty(len(rows), dtype=object)
    x[:] = [row[0] for row in rows]
    t[:] = [row[1] for row in rows]
    return TypedColumns({"x": x, "t": t}, rows=np.arange(len(rows)))


SCHEMA = Schema((Column("x", "number"), Column("t", "category")))


@settings(max_examples=80, deadline=None)
@given(rows)
def test_an_encoder_survives_json_to_the_bit(rows):
    typed = columns_of(rows)
    try:
        encoder = TableEncoder(min_rows=2).fit(typed, SCHEMA)
    except DataError:
        return
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    matrix = encoder.transform(typed)
    np.testing.assert_array_equal(again.transform(typed), matrix)
    assert again.feature_names == encoder.feature_names
    assert again.to_dict() == encoder.to_dict()
    assert np.isfinite(matrix).all()
    assert len(set(encoder.feature_names)) == matrix.shape[1]
    assert (matrix.max(axis=0) > matrix.min(axis=0)).all()


@settings(max_examples=80, deadline=None)
@given(rows)
def test_a_weight_is_a_number_of_repetitions(rows):
    weights = np.array([row[2] for row in rows])
    typed = columns_of(rows)
    repeated = typed.take(np.repeat(np.arange(len(rows)), weights))
    try:
        # Rarity is a matter of rows, so a threshold of one leaves it out of the law.
        expected = TableEncoder(min_rows=1).fit(repeated, SCHEMA)
    except DataError:
        return
    encoder = TableEncoder(min_rows=1).fit(typed, SCHEMA, weights=weights)
    assert encoder.feature_names == expected.feature_names
    np.testing.assert_allclose(
        encoder.transform(typed), expected.transform(typed), rtol=1e-9, atol=1e-9
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20))
def test_mean_std_and_median_of_any_numbers(values):
    array = np.array(values)
    mean, std = mean_and_std(array)
    assert np.isfinite(mean)
    assert np.isfinite(std)
    assert std > 0
    assert array.min() <= weighted_median(array) <= array.max()
    # In fractions, since NumPy's median overflows, and halves of the least numbers are 0.
    exact = float(statistics.median(map(Fraction, values)))
    np.testing.assert_allclose(weighted_median(array), exact, atol=5e-324)


@pytest.mark.parametrize(
    "record", [{"format": 1}, {"format": 1, "max_levels": 5, "min_rows": None, "columns": [{}]}]
)
def test_damaged_encoder_records_are_refused(record):
    with pytest.raises(DataError, match="the encoder record is damaged"):
        TableEncoder.from_dict(record)


def test_records_of_another_format_are_refused():
    with pytest.raises(DataError, match="the encoder record is of format 2; expected 1"):
        TableEncoder.from_dict({"format": 2})
    with pytest.raises(DataError, match="the target record is of format None; expected 1"):
        TargetEncoder.from_dict({})


# Targets


def test_class_labels_keep_their_text_and_number_order():
    encoder = TargetEncoder("classification").fit(["10", "9", "01", "9"])
    assert encoder.classes == ("01", "9", "10")
    assert encoder.transform(["9", "10"]).tolist() == [1, 2]
    assert encoder.inverse(np.array([[0, 2]])).tolist() == [["01", "10"]]
    assert encoder.inverse([]).tolist() == []
    assert TargetEncoder("classification").fit(["b", "10", "9"]).classes == ("10", "9", "b")


def test_classes_of_a_schema(make_table):
    table = make_table(x=[1.0, 2.0, 3.0, 4.0], y=["b", "a", "b", "a"])
    schema = infer_schema(table, "y")
    encoder = TargetEncoder.from_schema(schema).fit(["b"])
    assert encoder.classes == ("a", "b")
    assert encoder.transform(["b"]).tolist() == [1]
    with pytest.raises(InputError, match="the schema has no target"):
        TargetEncoder.from_schema(infer_schema(table))


def test_regression_targets_are_standardised():
    encoder = TargetEncoder("regression").fit([100.0, 300.0], weights=[3, 1])
    assert (encoder.mean, encoder.std) == (150.0, pytest.approx(86.60254037844386))
    np.testing.assert_allclose(encoder.inverse(encoder.transform([7.0, 9.0])), [7, 9])
    assert encoder.inverse(np.zeros((2, 3))).shape == (2, 3)
    constant = TargetEncoder("regression").fit([4.0, 4.0])
    assert (constant.mean, constant.std) == (4.0, 1.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_a_target_encoder_survives_json_to_the_bit(values):
    encoder = TargetEncoder("regression").fit(values)
    again = TargetEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert (again.mean, again.std) == (encoder.mean, encoder.std)
    labels = TargetEncoder("classification").fit([str(value) for value in values])
    assert TargetEncoder.from_dict(labels.to_dict()).classes == labels.classes


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: TargetEncoder("auto"), "task is 'auto'; expected 'classification' or"),
        (lambda: TargetEncoder("regression", ["a"]), "for regression; expected none"),
        (lambda: TargetEncoder("classification", ["a", "a"]), "expected every label once"),
        (lambda: TargetEncoder("classification").transform(["a"]), "not fitted; call fit"),
        (lambda: TargetEncoder("regression").inverse([1.0]), "not fitted; call fit"),
        (lambda: TargetEncoder("regression").to_dict(), "not fitted"),
        (lambda: TargetEncoder("classification").fit([]), "no targets to fit on"),
        (lambda: TargetEncoder("regression").fit([]), "no targets to fit on"),
        (lambda: TargetEncoder("classification").fit(["a", 1]), "target 2 is 1, a int; expected"),
        (lambda: TargetEncoder("regression").fit(["x"]), "the targets are no numbers"),
        (lambda: TargetEncoder("regression").fit([[1.0]]), "have shape (1, 1); expected one per"),
        (
            lambda: TargetEncoder("regression").fit([1.0, np.inf]),
            "target 2 is inf; expected finite",
        ),
        (
            lambda: TargetEncoder("classification", ["a", "b"]).fit(["a", "c"]),
            "target 2 is 'c'; expected one of the classes 'a', 'b'",
        ),
        (
            lambda: TargetEncoder("classification", ["a", "b"]).inverse([2]),
            "expected integers from 0 to 1; take the argmax",
        ),
        (
            lambda: TargetEncoder("classification", ["a"]).inverse([0.5]),
            "class indices are float64",
        ),
    ],
)
def test_target_uses_that_are_refused(use, message):
    with pytest.raises(InputError) as caught:
        use()
    assert message in str(caught.value)


@pytest.mark.parametrize("record", [{"format": 1}, {"format": 1, "task": "regression"}])
def test_damaged_target_records_are_refused(record):
    with pytest.raises(DataError, match="the target record is damaged"):
        TargetEncoder.from_dict(record)
