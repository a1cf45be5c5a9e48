"""Text files: what is read, and what is refused with its line."""

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deltarule.errors import DataError, DeltaruleError, FileError, InputError
from deltarule.tables import TextColumn, read_table, small_text_file, text_file, text_header
from deltarule.tables.cells import missing_tokens, parse_number
from deltarule.tables.file_format import FileFormat


def cells(table):
    return {name: table[name].tolist() for name in table.names}


GOOD = {
    "plain": ("a,b\n1,2\n3,4\n", [["1", "3"], ["2", "4"]], [2, 3]),
    "no end of line": ("a,b\n1,2", [["1"], ["2"]], [2]),
    "windows": ("a,b\r\n1,2\r\n3,4\r\n", [["1", "3"], ["2", "4"]], [2, 3]),
    "old macintosh": ("a,b\r1,2\r3,4\r", [["1", "3"], ["2", "4"]], [2, 3]),
    "mixed line ends": ("a,b\r\n1,2\n3,4\r\n", [["1", "3"], ["2", "4"]], [2, 3]),
    "byte order mark": ("\ufeffa,b\n1,2\n", [["1"], ["2"]], [2]),
    "blank lines": ("a,b\n1,2\n\n3,4\n\n\n", [["1", "3"], ["2", "4"]], [2, 4]),
    "blank lines above": ("\n\na,b\n1,2\n", [["1"], ["2"]], [4]),
    "line break in a field": ('a,b\n"x\ny",2\nz,4\n', [["x\ny", "z"], ["2", "4"]], [2, 4]),
    "breaks and blanks": ('a,b\n1,"x\n\n\ny"\n3,4', [["1", "3"], ["x\n\n\ny", "4"]], [2, 6]),
    "line break in a name": ('"a\nx",b\n1,2\n', [["1"], ["2"]], [3]),
    "line break in a name, windows": ('"a\nx",b\r\n1,2\r\n', [["1"], ["2"]], [3]),
    "windows break in a name": ('"a\r\nx",b\n1,2\n3,4\n', [["1", "3"], ["2", "4"]], [3, 4]),
    "blank lines above, windows": ("\n\na,b\r\n1,2\r\n", [["1"], ["2"]], [4]),
    "doubled quotes": ('a,b\n"x ""q"" y",2\n', [['x "q" y'], ["2"]], [2]),
    "delimiter in quotes": ('a,b\n"x,y",2\n', [["x,y"], ["2"]], [2]),
    "quote inside a field": ('a,b\nx"y,2\n', [['x"y'], ["2"]], [2]),
    "blanks before a quote": ('a, "b"\n1, "x, y"\n', [["1"], ["x, y"]], [2]),
    "blanks": ("a , b\n 1 ,  2\n", [["1"], ["2"]], [2]),
    "last field empty": ("a,b\n1,\n2,\n", [["1", "2"], [None, None]], [2, 3]),
    "hash is no comment": ("a,b\n#1,2\n", [["#1"], ["2"]], [2]),
    "semicolons": ("a;b\n1,5;2\n", [["1,5"], ["2"]], [2]),
    "tabs": ("a\tb\n1\t2\n", [["1"], ["2"]], [2]),
    "bars": ("a|b\n1|2\n", [["1"], ["2"]], [2]),
    "comma in one field of semicolons": ("a;b\nx,y;2\n", [["x,y"], ["2"]], [2]),
    "one column": ("a\n1\n2\n", [["1", "2"]], [2, 3]),
    "names that count": ("0,1\n5,6\n", [["5"], ["6"]], [2]),
    "quoted missing": ('a,b\n"",x\n"NA",y\n', [[None, None], ["x", "y"]], [2, 3]),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_well_formed_file(write, case):
    content, columns, lines = GOOD[case]
    table = read_table(write(content))
    assert [table[name].tolist() for name in table.names] == columns
    assert table.line_word == "line"
    assert table.lines.tolist() == lines
    assert table.source == "x.csv"


BAD = {
    "empty": ("", "x.csv is empty; expected a line of column names and at least one row"),
    "blank": (" \n\n ", "x.csv is empty"),
    "only a mark": ("\ufeff", "x.csv is empty"),
    "header alone": (
        "a,b\n",
        "a header of 2 columns (a, b) and no rows; expected at least one row",
    ),
    "repeated name": (
        "a,b,a\n1,2,3\n",
        "the column name 'a' stands twice, in columns 1 and 3; expected every name once; rename",
    ),
    "repeated but for blanks": ("a, a\n1,2\n", "'a' stands twice, in columns 1 and 2"),
    "too few fields": (
        "a,b\n1,2\n3\n",
        "x.csv, line 3: 1 field; expected 2, as in the header; add the missing fields",
    ),
    "too many fields": (
        "a,b\n1,2\n3,4,5\n",
        "x.csv, line 3: 3 fields; expected 2, as in the header; put a field that holds ','",
    ),
    "a quoted empty field too many": ('a,b\n1,2,""\n', "x.csv, line 2: 3 fields; expected 2"),
    "an empty field too many": (
        "a,b\n1,2\n3,4,\n",
        "x.csv, line 3: 3 fields; expected 2, as in the header; the row ends in ','",
    ),
    "too few after a line break": ('a,b\n"x\ny",2\n3\n', "x.csv, line 4: 1 field; expected 2"),
    "a line of blanks": ("a,b\n  \n1,2\n", "x.csv, line 2: 1 field; expected 2"),
    "open quote": ('a,b\n"x,2\n3,4\n', "x.csv, line 2: a quote that is never closed"),
    "open quote in the header": ('a,"b\n1,2\n', "x.csv, line 1: a quote that is never closed"),
    "text behind a quote": ('a,b\n1,2\n"x"y,2\n', "x.csv, line 3: text directly behind a closing"),
    "huge field": (f"a,b\n1,{'x' * 200_000}\n", "x.csv, line 2: a field of more than 131072"),
    "NUL": (b"a,b\n1,2\n3,\0\n", "x.csv, line 3: a NUL byte; expected text in UTF-8; the file is"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "x.csv, line 3: a NUL byte"),
    "latin 1": ("a,b\n1,2\nMüller,2\n".encode("latin-1"), "x.csv, line 3: the bytes b'\\xfcll"),
    "cut short": (b"a,b\n1,\xe2\x82", "x.csv, line 2: the bytes b'\\xe2\\x82' are not UTF-8"),
    "lying on its side": (
        ",".join(f"x{i}" for i in range(100_000)) + "\n" + ",".join(["1"] * 100_000),
        "x.csv has 100000 columns; expected at most 20000; are rows and columns exchanged?",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_malformed_file_is_refused_in_words(write, case):
    content, message = BAD[case]
    with pytest.raises(DataError) as caught:
        read_table(write(content))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


def test_missing_tokens_whatever_their_case_and_blanks(write):
    table = read_table(write("a,b\nNA,1\n n/a ,2\n?,3\nNaN,4\nNULL,5\n,6\nnone,7\n"))
    assert cells(table)["a"] == [None] * 6 + ["none"]


def test_own_missing_tokens_replace_the_usual_ones(write):
    path = write("a,b\nNA,1\n-999,2\n,3\n")
    table = read_table(path, na="-999")
    assert cells(table)["a"] == ["NA", None, None]
    assert table.na == ("", "-999")


def test_a_missing_token_must_be_text(write):
    with pytest.raises(InputError, match=r"token -999 is a int; expected text, such as '-999'"):
        read_table(write("a,b\n1,2\n"), na=[-999])


def test_equal_texts_share_an_object(write):
    column = read_table(write("a,b\nlong text,1\n long text,2\n"))["a"]
    assert column[0] is column[1]


@pytest.mark.parametrize("name", ["x.tsv", "x.tab"])
def test_the_ending_tells_a_tab(write, name):
    table = read_table(write("a,b\tc\n1,2\t3\n", name))
    assert table.names == ("a,b", "c")


def test_the_delimiter_can_be_given(write):
    assert read_table(write("a:b\n1:2\n"), delimiter=":").names == ("a", "b")


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", 3])
def test_a_delimiter_is_one_character(write, delimiter):
    with pytest.raises(InputError, match="expected one character such as"):
        read_table(write("a,b\n1,2\n"), delimiter=delimiter)


@pytest.mark.parametrize("name", ["a[1].csv", "it's.csv", "ä ö.csv", "UPPER.CSV", "q?*.csv"])
def test_odd_file_names(write, name):
    assert cells(read_table(write("a,b\n1,2\n", name))) == {"a": ["1"], "b": ["2"]}


def test_names_that_differ_in_case_are_two_columns(write):
    assert cells(read_table(write("a,A\n1,2\n"))) == {"a": ["1"], "A": ["2"]}


def test_a_column_of_many_numbers_is_float64(write):
    values = np.random.default_rng(0).normal(size=3000)
    texts = [repr(value) for value in values.tolist()]
    texts[5], texts[6], texts[7] = "NA", "", " 1.5 "
    table = read_table(write("a,b\n" + "\n".join(f"{text},k" for text in texts) + "\n"))
    assert table["a"].dtype == np.float64
    expected = [
        parse_number(text) if parse_number(text) is not None else math.nan for text in texts
    ]
    np.testing.assert_array_equal(table["a"], expected)
    assert table["b"].dtype == object


@pytest.mark.parametrize(
    "odd", ["1_000", "inf", "nan1", "1e999", "007", "0x10", "12345678901234567", "x", "-inf"]
)
def test_a_column_with_a_cell_in_doubt_stays_text(write, odd):
    texts = [str(i + 0.5) for i in range(3000)]
    texts[1000] = odd
    table = read_table(write("a,b\n" + "\n".join(f"{text},k" for text in texts) + "\n"))
    assert table["a"].dtype == object
    assert table["a"][1000] == odd


def test_a_numeric_token_is_missing_in_a_float_column(write):
    texts = [str(i + 0.5) for i in range(3000)]
    texts[7] = "-999.0"
    table = read_table(write("a,b\n" + "\n".join(f"{text},k" for text in texts)), na=["-999"])
    assert np.flatnonzero(np.isnan(table["a"])).tolist() == [7]


def test_a_wide_table_within_the_limit(write):
    n = 2000
    names = ",".join(f"x{i}" for i in range(n))
    table = read_table(write(f"{names}\n{','.join(['1'] * n)}\n"))
    assert len(table.names) == n
    with pytest.raises(DataError, match=r"line 3: 1999 fields; expected 2000"):
        read_table(write(f"{names}\n{','.join(['1'] * n)}\n{','.join(['1'] * (n - 1))}\n"))


def test_a_scan_over_chunks_counts_as_a_scan_at_once(write, monkeypatch):
    content = "a,b\r\n€,2\r\n\r\nä,4\r\n"
    path = write(content)
    whole = text_header.scan_file(path)
    for size in range(1, 8):
        monkeypatch.setattr(text_header, "_CHUNK", size)
        assert text_header.scan_file(path) == whole
    assert whole == 4


@pytest.mark.parametrize("size", range(1, 8))
def test_the_line_of_a_bad_byte_whatever_the_chunks(write, monkeypatch, size):
    monkeypatch.setattr(text_header, "_CHUNK", size)
    with pytest.raises(DataError, match="line 3: the bytes"):
        text_header.scan_file(write(b"a,b\r\n\xe2\x82\xac,2\r\n\xff,4\r\n"))
    with pytest.raises(DataError, match="line 2: a NUL byte"):
        text_header.scan_file(write(b"a,b\r\n\0,2\r\n"))


fields = st.text(st.sampled_from('ab1,;"\n é\t.-_#'), max_size=6)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(fields, fields, fields), min_size=1, max_size=8))
def test_what_csv_writes_is_read_back_with_its_lines(tmp_path, rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["u", "v", "w"])
    starts = []
    for row in rows:
        starts.append(buffer.getvalue().count("\n") + 1)
        writer.writerow(row)
    path = tmp_path / "p.csv"
    path.write_text(buffer.getvalue(), newline="", encoding="utf-8")
    table = read_table(path, na=(), delimiter=",")
    wanted = [[field.strip() or None for field in column] for column in zip(*rows, strict=True)]
    assert [table[name].tolist() for name in table.names] == wanted
    assert table.lines.tolist() == starts


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.sampled_from('ab,"\n\r 1'), max_size=25),
    header=st.sampled_from(
        [
            "u,v\n",
            '"u",v\r\n',
            "u\n",
            "\ufeffu,v\r",
            '\n"u\n",v\n',
            "\ufeff1.5,2\n",
            "# t\nu,v\n1,2\n",
        ]
    ),
    block_bytes=st.sampled_from([8, 20, 1 << 22]),
)
def test_pyarrow_and_both_ways_of_csv_agree(tmp_path, text, header, block_bytes):
    path = tmp_path / "q.csv"
    path.write_bytes((header + text).encode())
    tokens = missing_tokens(())
    found = []
    for way in ("pyarrow", "csv", "small"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_file, "_BLOCK_BYTES", block_bytes)
            if way == "pyarrow":
                patch.setattr(small_text_file, "_MOST_BYTES", -1)
            if way == "csv":
                patch.setattr(text_file, "find_quotes", lambda *_: "unusual")
            try:
                table = text_file.read_text(path, tokens, FileFormat(","))
                found.append((cells(table), table.lines.tolist()))
            except DeltaruleError as error:
                found.append(str(error))
    assert found[0] == found[1] == found[2]


def typed_cells(table):
    """The columns with their types, codes and texts, as bytes."""
    return {
        name: (column.codes.dtype, column.codes.tobytes(), column.texts)
        if isinstance(column, TextColumn)
        else (column.dtype, column.tobytes())
        for name, column in table.columns.items()
    }


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["?", "1e3", "007", "x", "1_0", "inf", "9" * 17, " 5 ", ""])
def test_a_small_file_has_the_columns_that_pyarrow_gives(write, monkeypatch, last, end):
    rows = [f'{i},{i / 7!r},"{i % 7} ""a"", é", {i % 3}' for i in range(1500)]
    path = write(end.join(["n,x,label,few", *rows, f"{last},{last},{last},{last}", ""]))
    found = []
    for limit in (-1, 1 << 17):
        monkeypatch.setattr(small_text_file, "_MOST_BYTES", limit)
        table = text_file.read_text(path, missing_tokens("?"), None, texts=["few"])
        found.append((typed_cells(table), table.parsed, table.lines.tolist()))
    assert found[0] == found[1]
    assert ("x" in found[0][1]) == (last in ("?", "1e3", " 5 ", ""))


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(repr), st.text("01.e+-_x ")))
def test_a_number_is_what_float_reads_but_for_underscores_and_infinities(text):
    try:
        expected = float(text)
    except ValueError:
        expected = None
    if expected is not None and ("_" in text or not math.isfinite(expected)):
        expected = None
    assert parse_number(text) == expected


def test_a_file_that_cannot_be_read_is_a_file_error(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(FileError, match=r"x.csv cannot be read \(Permission denied\)"):
        read_table(path)


def test_a_large_file_is_read_in_the_order_of_its_rows(write):
    n = 60_000
    rng = np.random.default_rng(0)
    numbers = rng.random((n, 12)).round(6)
    lines = [",".join([f"x{k}" for k in range(12)] + ["row", "level", "name"])]
    for i, row in enumerate(numbers.tolist()):
        # Levels and marks of missing cells that the first rows do not hold.
        level = "late" if i > 50_000 and i % 7 == 0 else f"level {i % 5}"
        cells = ["?" if i == 40_000 else repr(x) for x in row]
        lines.append(",".join([*cells, str(i), level, f"name {i}"]))
    table = read_table(write("\n".join(lines) + "\n"))
    expected = numbers.copy()
    expected[40_000] = np.nan
    for k in range(12):
        np.testing.assert_array_equal(table[f"x{k}"], expected[:, k])
    np.testing.assert_array_equal(table["row"], np.arange(n))
    assert table["name"].tolist() == [f"name {i}" for i in range(n)]
    assert table["level"][50_400:50_404].tolist() == ["late", "level 1", "level 2", "level 3"]
    assert table.where(n - 1) == f"line {n + 1}"


def test_a_column_is_text_where_a_cell_beyond_the_first_rows_is_no_plain_number(write):
    n = 30_000
    late = {"word": "many", "underscore": "1_0", "zero": "007", "infinite": "inf", "long": "9" * 17}
    rows = [",".join([str(i + 0.5)] * len(late)) for i in range(n)]
    table = read_table(write("\n".join([",".join(late), *rows, ",".join(late.values())]) + "\n"))
    for name, cell in late.items():
        assert table[name].dtype == object
        assert table[name][[0, n]].tolist() == ["0.5", cell]
