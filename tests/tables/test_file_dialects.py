"""Text files as people have them: without a header, with titles, comments, indices, blanks, …."""

import tempfile

import numpy as np
import pandas as pd
import pytest

from deltarule.errors import DataError, InputError
from deltarule.tables import TableSource, apply_schema, infer_schema, read_table


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, which must be empty at the end of each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def columns(table):
    return {name: table[name].tolist() for name in table.names}


# Content, options, columns, lines of the rows, the end or a part of each note.
READ = {
    "iris": (
        "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n",
        {},
        {
            "column1": ["5.1", "4.9", "7.0"],
            "column2": ["3.5", "3.0", "3.2"],
            "column3": ["setosa", "setosa", "versicolor"],
        },
        [1, 2, 3],
        ["line 1 holds data and no names of columns; they are called 'column1' to 'column3'"],
    ),
    "one row without a header": (
        "5.1,3.5,setosa\n",
        {},
        {"column1": ["5.1"], "column2": ["3.5"], "column3": ["setosa"]},
        [1],
        ["line 1 holds data"],
    ),
    "categories alone without a header": (
        "p,x\ne,x\ne,b\np,b\n",
        {},
        {"column1": ["p", "e", "e", "p"], "column2": ["x", "x", "b", "b"]},
        [1, 2, 3, 4],
        ["line 1 holds data"],
    ),
    "dates without a header": (
        "2020-01-01,5\n2020-01-02,7\n",
        {},
        {"column1": ["2020-01-01", "2020-01-02"], "column2": ["5", "7"]},
        [1, 2],
        ["line 1 holds data"],
    ),
    "a byte order mark before data": (
        "\ufeff1.5,2.5\n3,4\n",
        {},
        {"column1": ["1.5", "3"], "column2": ["2.5", "4"]},
        [1, 2],
        ["line 1 holds data"],
    ),
    "years are names": (
        "town,2019,2020\nUlm,3,4\nBonn,4,5\n",
        {},
        {"town": ["Ulm", "Bonn"], "2019": ["3", "4"], "2020": ["4", "5"]},
        [2, 3],
        ["is taken for names of columns, numbers as they are ('2019', '2020'); if it holds data"],
    ),
    "years below years are data": (
        "1990,2001\n1980,1999\n",
        {},
        {"column1": ["1990", "1980"], "column2": ["2001", "1999"]},
        [1, 2],
        ["line 1 holds data"],
    ),
    "names are given": (
        "1,2\n3,4\n",
        {"names": "x, y"},
        {"x": ["1", "3"], "y": ["2", "4"]},
        [1, 2],
        [],
    ),
    "no header by request": (
        "a,b\nc,d\n",
        {"names": "none"},
        {"column1": ["a", "c"], "column2": ["b", "d"]},
        [1, 2],
        [],
    ),
    "names instead of the file's": (
        "a,a\n1,2\n3,4\n",
        {"names": ["x", "y"], "skip": 1},
        {"x": ["1", "3"], "y": ["2", "4"]},
        [2, 3],
        [],
    ),
    "names that the file has": (
        "x,y\n1,2\n3,4\n",
        {"names": "x,y"},
        {"x": ["1", "3"], "y": ["2", "4"]},
        [2, 3],
        ["a row that repeats the names of the columns left out: line 1"],
    ),
    "a title": (
        "Sales report\n\na,b,c\n1,2,x\n3,4,y\n",
        {},
        {"a": ["1", "3"], "b": ["2", "4"], "c": ["x", "y"]},
        [4, 5],
        ["line 1 is taken for a title above the table and left out"],
    ),
    "titles with a delimiter": (
        "Sales report, 2020\nby me\na,b,c\n1,2,x\n3,4,y\n",
        {},
        {"a": ["1", "3"], "b": ["2", "4"], "c": ["x", "y"]},
        [4, 5],
        ["lines 1 to 2 are taken for a title"],
    ),
    "a title of a spreadsheet": (
        "Report 2020;;;\n;;;\nA;B;C;y\n1,5;2;x;3\n2,5;3;y;4\n",
        {},
        {"A": ["1,5", "2,5"], "B": ["2", "3"], "C": ["x", "y"], "y": ["3", "4"]},
        [4, 5],
        ["lines 1 to 2 are taken for a title"],
    ),
    "a title, mixed line breaks": (
        "Report\r\nx\na,b\r\n1,2\n3,4\r\n",
        {},
        {"a": ["1", "3"], "b": ["2", "4"]},
        [4, 5],
        ["lines 1 to 2 are taken for a title"],
    ),
    "lines to skip": (
        "foo,bar,baz\nz,z\na,b\n1,2\n",
        {"skip": 2},
        {"a": ["1"], "b": ["2"]},
        [4],
        [],
    ),
    "comments above": (
        "# made\n# by me\na,b\n1,2\n#3,4\n",
        {},
        {"a": ["1", "#3"], "b": ["2", "4"]},
        [4, 5],
        ["comments above line 3 are left out"],
    ),
    "names in a comment": (
        "# made by\n# a,b,c\n1.5,2,3\n4,5,6\n",
        {},
        {"a": ["1.5", "4"], "b": ["2", "5"], "c": ["3", "6"]},
        [3, 4],
        ["the names of the columns are those in the comment above them"],
    ),
    "a name that begins with a number sign": (
        "#id,b\n1,2\n3,4\n",
        {},
        {"#id": ["1", "3"], "b": ["2", "4"]},
        [2, 3],
        [],
    ),
    "comments": (
        'a,b\n//x\n1,2\n// y,z,1\n"3\n//4",4\n',
        {"comment": "//"},
        {"a": ["1", "3\n//4"], "b": ["2", "4"]},
        [3, 5],
        [],
    ),
    "comments in one column": (
        "a\n#x\n1\n#y\n3\n",
        {"comment": "#"},
        {"a": ["1", "3"]},
        [3, 5],
        [],
    ),
    "Excel's first line": (
        "sep=;\na;b\n1,5;2\n",
        {},
        {"a": ["1,5"], "b": ["2"]},
        [3],
        [],
    ),
    "names with commas between semicolons": (
        "size, cm;age, y;k\n1,5;2,5;a\n2,5;3,5;b\n",
        {},
        {"size, cm": ["1,5", "2,5"], "age, y": ["2,5", "3,5"], "k": ["a", "b"]},
        [2, 3],
        [],
    ),
    "a delimiter behind each row": (
        "a,b\n1,2,\n3,4,\n",
        {},
        {"a": ["1", "3"], "b": ["2", "4"]},
        [2, 3],
        ["every row ends in ',', beyond the last name; the empty field behind it is left out"],
    ),
    "a delimiter behind the header": (
        "a,b,\n1,2\n3,4\n",
        {},
        {"a": ["1", "3"], "b": ["2", "4"]},
        [2, 3],
        [],
    ),
    "empty columns without a name": (
        "a,b,,\n1,2,,\n3,4,,\n",
        {},
        {"a": ["1", "3"], "b": ["2", "4"], "column3": [None, None], "column4": [None, None]},
        [2, 3],
        ["2 columns have no name and are called 'column3', 'column4'"],
    ),
    "an index without a name": (
        ",a,b\n0,1,2\n1,3,4\n",
        {},
        {"column1": ["0", "1"], "a": ["1", "3"], "b": ["2", "4"]},
        [2, 3],
        ["one column has no name and is called 'column1'"],
    ),
    "a name that is taken": (
        "column2,,b\n1,2,3\n",
        {},
        {"column2": ["1"], "column2_": ["2"], "b": ["3"]},
        [2],
        ["is called 'column2_'"],
    ),
    "R's names of rows": (
        '"a" "b"\n"1" 1.5 "x"\n"2" 2.5 "y z"\n"3" 2.5 "y z"\n',
        {},
        {"column1": ["1", "2", "3"], "a": ["1.5", "2.5", "2.5"], "b": ["x", "y z", "y z"]},
        [2, 3, 4],
        ["one column has no name and is called 'column1'"],
    ),
    "blanks": (
        "  a    b   c\n  1.5  2   x\n 2.5   3   y\n",
        {},
        {"a": ["1.5", "2.5"], "b": ["2", "3"], "c": ["x", "y"]},
        [2, 3],
        [],
    ),
    "blanks, and a tab before the last": (
        '18.0   8   307.0\t"chevrolet malibu"\n15.0   8   350.0\t"buick skylark"\n',
        {},
        {
            "column1": ["18.0", "15.0"],
            "column2": ["8", "8"],
            "column3": ["307.0", "350.0"],
            "column4": ["chevrolet malibu", "buick skylark"],
        },
        [1, 2],
        ["line 1 holds data"],
    ),
    "blanks in a column of text": (
        "full name\nJohn Smith\nAnna Lee\n",
        {},
        {"full name": ["John Smith", "Anna Lee"]},
        [2, 3],
        [],
    ),
    "blanks by request": (
        "a b\nx  y\n",
        {"delimiter": " "},
        {"a": ["x"], "b": ["y"]},
        [2],
        [],
    ),
    "single quotes": (
        "'a','b, c'\n'1','x,y'\n'2','z'\n",
        {},
        {"a": ["1", "2"], "b, c": ["x,y", "z"]},
        [2, 3],
        [],
    ),
    "joined files": (
        "a,b\n1,y\n2,v\na,b\n3,v\na,b\n",
        {},
        {"a": ["1", "2", "3"], "b": ["y", "v", "v"]},
        [2, 3, 5],
        ["2 rows that repeat the names of the columns left out: line 4, line 6"],
    ),
}


@pytest.mark.parametrize("case", READ)
def test_a_file_is_read_with_the_lines_it_has(write, case):
    content, options, expected, lines, notes = READ[case]
    table = read_table(write(content), **options)
    assert columns(table) == expected
    assert table.lines.tolist() == lines
    assert len(table.notes) == len(notes)
    for note, part in zip(table.notes, notes, strict=True):
        assert part in note


REFUSED = {
    "all is skipped": ("a,b\n1,2\n", {"skip": 5}, "x.csv has no line of a table behind skip=5"),
    "names do not fit": (
        "1,2\n3,4\n",
        {"names": "x,y,z"},
        "names gives 3 names; expected 2, as line 1 of x.csv has fields (1, 2)",
    ),
    "a field behind the last delimiter": (
        "a,b\n" + "1,2,\n" * 2000 + "1,2,3\n",
        {},
        "x.csv, line 2002: 3 fields, the last '3'; expected 2, as in the header",
    ),
    "a comment among rows": (
        "a,b,c\n1,2,3\n# 3,4\n",
        {},
        "line 3: 2 fields; expected 3, as in the header; if it is a comment, give comment='#'",
    ),
    "a ragged row below a title": (
        "Trees\na,b\n1,2\n3,4\n5,6,7\n" + "7,8\n" * 30,
        {},
        "x.csv, line 5: 3 fields",
    ),
    "a ragged row between blanks": (
        "a b c\n1 2 3\n4 5 6\n" + "7 8 9\n" * 30 + "1 2\n",
        {},
        "x.csv, line 34: 2 fields; expected 3, as in the header",
    ),
    "a ragged row without a header": (
        "1.5,2,3\n4,5,6\n7,8\n",
        {"names": "none"},
        "x.csv, line 3: 2 fields; expected 3, as in the first row",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_the_line_of_the_file(write, case):
    content, options, message = REFUSED[case]
    with pytest.raises(DataError) as caught:
        read_table(write(content), **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"skip": -1},
        {"skip": 1.5},
        {"skip": True},
        {"comment": ""},
        {"comment": "\n"},
        {"names": "a,,b"},
        {"names": ["a", "a"]},
        {"names": [1, 2]},
        {"delimiter": "::"},
        {"delimiter": "'"},
    ],
)
def test_an_option_that_cannot_be_used_is_named(write, options):
    with pytest.raises(InputError) as caught:
        read_table(write("a,b\n1,2\n"), **options)
    assert caught.value.parameter == next(iter(options))


@pytest.mark.parametrize("options", [{"skip": 1}, {"comment": "#"}, {"names": "a"}])
def test_what_describes_text_is_refused_for_other_files(write, options):
    with pytest.raises(InputError, match="expected it only for text files"):
        read_table(write('{"a": 1}\n', "x.jsonl"), **options)
    with pytest.raises(InputError, match="expected one of them"):
        read_table(write("a,b\n1,2\n"), sql="select * from data", **options)


def test_a_recorded_source_is_read_again_with_its_options(write):
    path = write("!\n! x\n1 2 3\n! y\n4 5 6\n", "x.dat")
    options = {"delimiter": " ", "comment": "!", "skip": 1, "names": "a,b,c"}
    table = read_table(path, **options)
    source = TableSource.of(table, path, **options)
    again = TableSource.from_dict(source.to_dict()).read()
    assert columns(again) == columns(table) == {"a": ["1", "4"], "b": ["2", "5"], "c": ["3", "6"]}
    assert again.lines.tolist() == [3, 5]


def test_options_hold_for_every_file_of_a_pattern(write, tmp_path):
    write("-\n1,x\n", "p1.csv")
    write("-\n2,y\n", "p2.csv")
    table = read_table(tmp_path / "p*.csv", skip=1, names="a,b")
    assert columns(table) == {"a": ["1", "2"], "b": ["x", "y"]}
    assert table.where(1) == "p2.csv line 2"


def frame(n=40):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n).round(4)
    return pd.DataFrame({"x": x, "y": (2 * x).round(4)}, index=rng.permutation(n))


@pytest.mark.parametrize("kind", ["shuffled", "consecutive", "names", "read again", "parquet"])
def test_an_index_is_left_out_and_later_rows_need_none(tmp_path, kind):
    rows = frame()
    if kind == "consecutive":
        rows = rows.reset_index(drop=True)
    elif kind == "names":
        rows.index = [f"car {i}" for i in rows.index]
    path = tmp_path / "x.csv"
    if kind == "parquet":
        path = tmp_path / "x.parquet"
        rows.to_parquet(path)
    else:
        rows.to_csv(path)
    if kind == "read again":
        pd.read_csv(path).to_csv(path, index=False)
    schema = infer_schema(read_table(path), "y")
    assert schema.names == ("x",)
    ((name, reason),) = schema.dropped
    assert name in ("column1", "Unnamed: 0", "__index_level_0__")
    assert reason.endswith("names the rows" if kind == "names" else "numbers the rows")
    (tmp_path / "new.csv").write_text("x\n0.5\n")
    new = read_table(tmp_path / "new.csv")
    assert apply_schema(schema, new, need_target=False).columns["x"].tolist() == [0.5]


def test_a_column_without_a_name_that_says_something_is_kept(tmp_path):
    rows = frame()
    rows.index = [f"town {i % 4}" for i in range(len(rows))]
    rows.to_csv(tmp_path / "x.csv")
    assert infer_schema(read_table(tmp_path / "x.csv"), "y").names == ("column1", "x")
    rows.index = pd.date_range("2020-01-01", periods=len(rows))
    rows.to_csv(tmp_path / "x.csv")
    table = read_table(tmp_path / "x.csv")
    assert infer_schema(table, "y").names == ("column1", "x")
    assert infer_schema(table, "y").columns[0].kind == "date"
