"""The command ``deltarule playground``, run as a process."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from deltarule.cli.status import execute
from deltarule.errors import FileError, InputError, MissingDependency
from deltarule.playground import serve


@contextlib.contextmanager
def command(*arguments, cwd=None, **environment):
    """Start the command; yield the process and its address."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "deltarule", "playground", "--no-open", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        env=os.environ | environment,
    ) as process:  # fmt: skip
        try:
            address = process.stdout.readline().strip()
            assert address, process.stderr.read()
            yield process, address
        finally:
            process.kill()


def asked(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()


def ended(process, number):
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_ctrl_c_ends_the_server_with_exit_status_0():
    with command() as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", address)
        assert "deltarule playground" in asked(address)
        status, out, err = ended(process, signal.SIGINT)
        assert (status, out) == (0, "")
        assert "Traceback" not in err
        assert "Ctrl-C ends it" in err
    with pytest.raises(OSError, match="refused"):
        asked(address)


def test_each_start_generates_a_new_token():
    with command("--quiet") as (_, first), command("--quiet") as (process, second):
        assert first.split("token=")[1] != second.split("token=")[1]
        assert ended(process, signal.SIGTERM)[2] == ""


def test_ctrl_c_ends_the_server_during_training_with_a_browser_connected():
    from tests.playground.helpers import Client

    with command() as (process, address):
        port, token = re.fullmatch(r".*:(\d+)/\?token=(.*)", address).groups()

        class Place:
            root = address.split("/?")[0]

        place = Place()
        place.port, place.token = port, token
        with Client(place) as client:
            client.until(lambda: client.header)
            client.do("setup", settings={"data": "digits", "layers": [512, 512, 512], "loss": "",
                                         "rows": 1797, "batch_size": 0})  # fmt: skip
            client.do("play")
            status, _, err = ended(process, signal.SIGINT)
        assert status == 0
        assert "Traceback" not in err


def test_with_a_table_the_first_run_is_on_the_table(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{rng.normal():.3f},{rng.normal():.3f},{'ab'[i % 2]}" for i in range(50)]
    (tmp_path / "data.csv").write_text("u,v,kind\n" + "\n".join(lines) + "\n")
    with command("data.csv", "--target", "kind", "--ignore", "v", cwd=tmp_path) as (_, address):
        root, token = address.split("/?token=")
        script = asked(f"{root}/export/run.py?token={token}")
        assert "read_table('data.csv'" in script
        assert "ignore=['v']" in script
        (tmp_path / "run.py").write_text(script)
        done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True,
                              text=True, check=True, timeout=300)  # fmt: skip
        ours, its = re.findall(r"[0-9a-f]{64}", done.stdout)
        assert ours == its


def test_port_and_token_can_be_chosen():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = "a-token-that-was-chosen"
    for _ in range(2):
        with command("--port", str(port), DELTARULE_PLAYGROUND_TOKEN=token) as (process, address):
            assert address == f"http://127.0.0.1:{port}/?token={token}"
            assert ended(process, signal.SIGINT)[0] == 0


def test_a_port_in_use_is_reported(capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert execute(["playground", "--no-open", "--port", str(port)]) == 3
        assert f"port {port} of 127.0.0.1 cannot be used" in " ".join(
            capfd.readouterr().err.split()
        )
        with pytest.raises(FileError):
            serve(port=port, open_browser=False)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--target", "y"], 2, "--target is given without DATA"),
        (["nothing.csv", "--target", "y"], 3, "nothing.csv"),
        (["--port", "70000"], 2, "port is 70000"),
        (["--port", "x"], 2, "--port is 'x'"),
        (["--token", "short"], 2, "the token cannot be used"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(capfd, arguments, status, words):
    assert execute(["playground", "--no-open", *arguments]) == status
    out, err = capfd.readouterr()
    assert words in " ".join(err.split())
    assert out == ""


def test_a_table_needs_a_target(capfd, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n3,4\n" * 10)
    assert execute(["playground", "--no-open", str(path)]) == 2
    assert "--target is missing; expected the column to predict, one of: a, b" in " ".join(
        capfd.readouterr().err.split()
    )


def test_export_writes_the_page_as_one_file_and_no_server_starts(capfd, tmp_path):
    path = tmp_path / "new" / "page.html"
    assert execute(["playground", "--export", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert "DR.library = {" in text
    assert not re.search(r"https?://(?!www\.w3\.org/)|WebSocket|fetch\(", text)
    assert "needs no server and no network" in " ".join(capfd.readouterr().err.split())
    assert execute(["playground", "--export", str(path)]) == 3
    assert "exists already" in capfd.readouterr().err
    for arguments in (["t.csv", "--export", str(path)], ["--export", "page.txt"]):
        assert execute(["playground", *arguments]) == 2
        assert "expected" in capfd.readouterr().err


@pytest.mark.parametrize("library", ["starlette", "uvicorn", "websockets"])
def test_a_missing_extra_is_one_clear_error(library):
    code = (
        "import sys\n"
        "import importlib.util\n"
        f"absent = {library!r}\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == absent:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, p=None: None if n == absent else found(n, p)\n"
        "from deltarule.cli.status import execute\n"
        "sys.exit(execute(['playground', '--no-open']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=False, timeout=120)  # fmt: skip
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "the playground needs Starlette, uvicorn and websockets" in said
    assert "pip install 'deltarule[playground]'" in said
    assert "Traceback" not in said


def test_missing_dependency_is_an_import_error():
    assert issubclass(MissingDependency, ImportError)
    with pytest.raises(InputError, match="port is True"):
        serve(port=True)
