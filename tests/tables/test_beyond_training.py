"""Notes on numbers far outside the range of training, and hints on columns of another name."""

import numpy as np
import pytest

from deltarule.errors import DataError
from deltarule.tables import Column, Schema, TypedColumns, apply_schema, table_from_frame
from deltarule.tables.beyond_training import beyond_training

AGE = Column("age", "number", minimum=18.0, maximum=80.0)


def test_cells_beyond_the_range_by_its_length_are_noted():
    values = np.array([-44.0, -44.1, 142.0, 142.1, np.nan, 500.0, 600.0])
    (note,) = beyond_training(Schema((AGE,)), TypedColumns({"age": values}, np.arange(7) + 10))
    assert "4 cells are far outside the range of training, 18 … 80" in note
    assert "-44.1 (row 12), 142.1 (row 14), 500 (row 16), …" in note
    assert (
        beyond_training(Schema((AGE,)), TypedColumns({"age": values[[0, 2, 4]]}, np.arange(3)))
        == []
    )


def test_many_columns_are_counted():
    columns = tuple(Column(f"c{k}", "number", minimum=0.0, maximum=1.0) for k in range(25))
    cells = {column.name: np.array([9.0]) for column in columns}
    notes = beyond_training(Schema(columns), TypedColumns(cells, np.arange(1)))
    assert len(notes) == 21
    assert notes[-1] == "so are cells of 5 more columns"


@pytest.mark.parametrize(
    ("names", "said", "not_said"),
    [
        (["wage", "town"], "'age'", "is it"),
        (["wage", "town", "Age_years"], "'age' (is it 'Age_years'?)", "'wage'?"),
        (["AGE", "town"], "'age' (is it 'AGE'?)", "'wage'?"),
        (["wages", "town"], "'age'", "is it"),
    ],
)
def test_a_renamed_column_is_found_and_the_target_is_not_suggested(names, said, not_said):
    town = Column("town", "category", levels=(("Ulm", 2),))
    schema = Schema((AGE, town), target=Column("wage", "number", minimum=1.0, maximum=2.0))
    table = table_from_frame({name: np.array([1.0, 2.0]) for name in names})
    with pytest.raises(DataError) as caught:
        apply_schema(schema, table, need_target=False)
    assert said in str(caught.value)
    assert not_said not in str(caught.value)
    assert ("rename" in str(caught.value)) == ("is it" in said)
