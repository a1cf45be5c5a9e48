"""Files made to hang a reader or to fill its memory: one error each, soon, and little memory.

The files of gigabytes are sparse, or unpack to them.
"""

import gzip
import json
import lzma
import os
import socket
import sqlite3
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import FAST, NUMBERS
from tests.processes import in_a_process

from deltarule.cli.status import Status, execute
from deltarule.errors import DataError
from deltarule.tables import memory, read_table
from deltarule.tables.table import join_items

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sparse files, devices, /proc")

MIB = 1 << 20


def sparse(path, head=b""):
    """A file of 5 GB that takes one block."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(5 << 30)


def recursive_view(path, columns):
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE VIEW t AS WITH RECURSIVE r(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM r) "
            f"SELECT {columns} FROM r"
        )
    connection.close()


def make_all(folder):
    """Write the files; return the names with a part of the message that each must give."""
    for suffix in ("csv", "jsonl", "json"):
        sparse(folder / f"sparse.{suffix}", b"a,b,k,y\n1,2,p,3\n")
    for suffix in ("csv.gz", "csv.zst", "csv.xz", "csv.bz2", "zip", "parquet", "db"):
        sparse(folder / f"sparse.{suffix}")
    for suffix, packed in (("gz", gzip.compress(b"a,b\n1,2\n")), ("xz", lzma.compress(b"a,b\n"))):
        sparse(folder / f"tail.csv.{suffix}", packed)
    sparse(folder / "utf16.csv", "a,b\n".encode("utf-16"))
    with (folder / "line.csv").open("wb") as file:
        file.write(b"a,b,k,y\n1,2,p,")
        file.writelines([b"x" * MIB] * 80)
    (folder / "line.jsonl").write_bytes((folder / "line.csv").read_bytes())
    block = b"1,2,p,3\n" * (MIB // 8)
    (folder / "bomb.csv.gz").write_bytes(gzip.compress(b"a,b,k,y\n") + gzip.compress(block) * 700)
    packed = pa.Codec("zstd").compress(block, asbytes=True)
    (folder / "bomb.csv.zst").write_bytes(packed * 700)
    zeros = pa.table({name: np.zeros(MIB) for name in "abky"})
    with pq.ParquetWriter(folder / "numbers.parquet", zeros.schema) as writer:
        for _ in range(20):
            writer.write_table(zeros)
    texts = pa.table({"k": [f"{i:03}" + "x" * MIB for i in range(50)]})
    options = {"compression": "zstd", "use_dictionary": False}
    with pq.ParquetWriter(folder / "texts.parquet", texts.schema, **options) as writer:
        for _ in range(12):
            writer.write_table(texts)
    recursive_view(folder / "endless.db", "a, a AS b, 'p' AS k, a AS y")
    recursive_view(folder / "cell.db", "a, hex(zeroblob(400000000)) AS k, a AS y")
    os.mkfifo(folder / "fifo.csv")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()  # noqa: PTH109  a socket's path may have 107 characters
        os.chdir(folder)
        server.bind("socket.csv")
        os.chdir(here)
    (folder / "device.csv").symlink_to("/dev/zero")
    (folder / "pipe.csv").symlink_to("fifo.csv")
    (folder / "circle.csv").symlink_to("circle.csv")
    return {
        "sparse.csv": "a NUL byte",
        "sparse.jsonl": "a NUL byte",
        "sparse.json": "a NUL byte",
        "sparse.csv.gz": "cannot be unpacked",
        "sparse.csv.zst": "cannot be unpacked",
        "sparse.csv.xz": "cannot be unpacked",
        "sparse.csv.bz2": "cannot be unpacked",
        "sparse.zip": "cannot be unpacked",
        "sparse.parquet": "no readable Parquet file",
        "sparse.db": "not a database",
        "tail.csv.gz": "zero bytes in a row",
        "tail.csv.xz": "zero bytes in a row",
        "utf16.csv": "a NUL character",
        "line.csv": "line 2 has more than",
        "line.jsonl": "line 2 has more than",
        "bomb.csv.gz": "over 100 times its size",
        "bomb.csv.zst": "over 100 times its size",
        "numbers.parquet": "over 100 times its size",
        "texts.parquet": "over 100 times its size",
        "endless.db": "over 100 times its size",
        "cell.db": "too big",
        "fifo.csv": "a pipe or a device",
        "socket.csv": "a pipe or a device",
        "device.csv": "a pipe or a device",
        "pipe.csv": "a pipe or a device",
        "circle.csv": "there is no file",
    }


READER = """
import json, pathlib, sys
import duckdb, pyarrow.csv
from deltarule.errors import DeltaruleError
from deltarule.tables import read_table
def peak():
    text = pathlib.Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024
before, found = peak(), {}
for name in NAMES:
    try:
        found[name] = str(len(read_table(FOLDER + "/" + name)))
    except DeltaruleError as error:
        found[name] = str(error)
print(json.dumps({"found": found, "bytes": peak() - before}))
"""


def test_each_is_one_error_in_less_than_a_gigabyte(tmp_path):
    expected = make_all(tmp_path)
    code = READER.replace("NAMES", repr(list(expected))).replace("FOLDER", repr(str(tmp_path)))
    answer = json.loads(" ".join(in_a_process(code)))
    for name, part in expected.items():
        assert part in answer["found"][name], (name, answer["found"][name])
    assert answer["bytes"] < 1 << 30


@pytest.fixture
def freely(monkeypatch):
    """As if 2 MB were much."""
    monkeypatch.setattr(memory, "_UNPACKED_FREELY", 2_000_000)


@pytest.mark.usefixtures("freely")
def test_what_is_trusted_is_read(tmp_path):
    path, text = tmp_path / "a.zip", b"a,b\n" + b"1,2\n" * 1_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", text)
    with pytest.raises(DataError, match=r"over 100 times its size; .* GB as it takes with max_mem"):
        read_table(path)
    assert len(read_table(path, max_memory=0.1)) == 1_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", text)
    assert len(read_table(path)) == 1_000_000


def test_json_that_does_not_fit_the_memory(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" + ", ".join(['{"a": 1, "b": 2}'] * 1_200_000) + "]")
    with pytest.raises(DataError, match=r"would take 0.4\d* GB .* convert it to Parquet"):
        read_table(path, max_memory=0.3)


def test_a_link_to_a_plain_file_is_followed(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").symlink_to("a.csv")
    assert len(read_table(tmp_path / "b.csv")) == 1


def test_a_message_shortens_what_a_file_makes_long():
    assert join_items(["x" * MIB, "b"]) == "x" * 300 + "…, b"


# Each command that reads a table, with DATA for its file and OUT for what it writes.
COMMANDS = {
    "fit": ["fit", "DATA", "--target", "y", "--out", "OUT"],
    "predict": ["predict", "t.model", "DATA", "--out", "OUT.csv"],
    "evaluate": ["evaluate", "t.model", "DATA"],
    "report": ["evaluate", "t.model", "DATA", "--report", "OUT.html"],
    "explain": ["explain", "t.model", "DATA", "--row", "1", "--html", "OUT.html"],
    "export": ["export", "t.model", "DATA", "--onnx", "OUT.onnx"],
    "tune-lr": ["tune-lr", "DATA", "--target", "y", "--plot", "OUT.svg"],
    "distill": ["distill", "many.model", "DATA", "--out", "OUT"],
    "update": ["update", "many.model", "DATA", "--out", "OUT"],
    "playground": ["playground", "DATA", "--target", "y", "--no-open"],
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "t.csv").write_text(NUMBERS)
    command = ["fit", str(folder / "t.csv"), "--target", "y", "--quiet", "--no-report", *FAST]
    assert execute([*command, "--out", str(folder / "t.model")]) == Status.DONE
    os.mkfifo(folder / "fifo.csv")
    (folder / "device.csv").symlink_to("/dev/zero")
    sparse(folder / "sparse.csv", NUMBERS.encode())
    zeros = pa.table({name: np.zeros(MIB) for name in "abky"})
    pq.write_table(zeros, folder / "bomb.parquet")
    (folder / "bomb.csv.gz").write_bytes(gzip.compress(b"a,b,k,y\n" + b"1,2,p,3\n" * MIB))
    recursive_view(folder / "endless.db", "a, a AS b, 'p' AS k, a AS y")
    return folder


@pytest.mark.usefixtures("freely")
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_waits_or_leaves_anything(name, workplace, monkeypatch, capfd):
    monkeypatch.chdir(workplace)
    files = ["fifo.csv", "device.csv", "sparse.csv", "bomb.parquet", "bomb.csv.gz", "endless.db"]
    before = sorted(path.name for path in workplace.iterdir())
    for file in files:
        command = [
            file if each == "DATA" else each.replace("OUT", "new") for each in COMMANDS[name]
        ]
        capfd.readouterr()
        status = execute([each.replace("many.model", "t.model") for each in command])
        err = capfd.readouterr().err
        assert status in (Status.DATA, Status.USAGE), (file, err)
        assert err.count("error: ") == 1, (file, err)
        assert sorted(path.name for path in workplace.iterdir()) == before
