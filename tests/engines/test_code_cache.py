"""Files of compiled code: damaged ones, and those that others can write to, are not used."""

import os
import random
import socket
import stat
import subprocess
import sys

import pytest

pytest.importorskip("numba")

from deltarule.engines.compiled import kernel_cache

CODE = bytes(range(256)) * 3
NOT_ROOT = 12345


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "kernels"
    monkeypatch.setenv(kernel_cache.VARIABLE, str(folder))
    kernel_cache._print_once.cache_clear()
    return folder


def test_written_code_is_read_under_its_name_only(folder):
    assert kernel_cache.read_code("a.o") is None
    assert kernel_cache.write_code("a.o", CODE)
    assert kernel_cache.write_code("b.o", b"")
    assert kernel_cache.read_code("a.o") == CODE
    assert kernel_cache.read_code("b.o") == b""
    assert sorted(path.name for path in folder.iterdir()) == ["a.o", "b.o"]


def test_a_file_truncated_at_any_length_is_not_used(folder):
    kernel_cache.write_code("a.o", CODE)
    whole = (folder / "a.o").read_bytes()
    for length in range(len(whole)):
        (folder / "a.o").write_bytes(whole[:length])
        assert kernel_cache.read_code("a.o") is None, length
    (folder / "a.o").write_bytes(whole + b"\0")
    assert kernel_cache.read_code("a.o") is None


def test_a_flipped_bit_anywhere_is_detected(folder):
    kernel_cache.write_code("a.o", CODE)
    whole = (folder / "a.o").read_bytes()
    for at in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        (folder / "a.o").write_bytes(damaged)
        assert kernel_cache.read_code("a.o") is None, at
    assert kernel_cache.write_code("a.o", CODE)
    assert kernel_cache.read_code("a.o") == CODE


def test_a_file_renamed_to_another_files_name_is_not_used(folder):
    kernel_cache.write_code("a.o", CODE)
    kernel_cache.write_code("b.o", CODE)
    (folder / "a.o").replace(folder / "c.o")
    (folder / "b.o").replace(folder / "a.o")
    assert kernel_cache.read_code("a.o") is None
    assert kernel_cache.read_code("c.o") is None


@pytest.mark.parametrize("what", ["folder", "full folder", "pipe", "socket", "huge", "link"])
def test_anything_but_a_regular_file_is_replaced(folder, what, tmp_path):
    kernel_cache.write_code("a.o", CODE)
    path = folder / "a.o"
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "full folder":
        path.mkdir()
        (path / "mine.txt").write_text("kept")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "socket":
        if len(str(path)) > 100:
            pytest.skip("a socket's path is short")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    elif what == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.symlink_to(tmp_path / "nowhere")
    assert kernel_cache.read_code("a.o") is None
    assert kernel_cache.write_code("a.o", CODE)
    assert kernel_cache.read_code("a.o") == CODE
    moved = list(folder.glob("*.moved/mine.txt"))
    assert len(moved) == (what == "full folder")


def test_every_user_may_read_the_cache_whatever_the_umask(tmp_path, monkeypatch):
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path / "image" / "kernels"))
    before = os.umask(0o077)
    try:
        assert kernel_cache.write_code("a.o", CODE)
    finally:
        os.umask(before)
    for part, mode in (("", 0o755), ("kernels", 0o755), ("kernels/a.o", 0o644)):
        assert stat.S_IMODE((tmp_path / "image" / part).stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_a_folder_that_others_can_write_to_is_not_used(folder, capfd, mode):
    kernel_cache.write_code("a.o", CODE)
    folder.chmod(mode)
    assert kernel_cache.read_code("a.o") is None
    assert not kernel_cache.write_code("b.o", CODE)
    assert "by others" in kernel_cache.reason_not_kept()
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert str(folder) in said
    assert f"mode {mode:04o}" in said
    assert kernel_cache.VARIABLE in said
    folder.chmod(0o755)
    assert kernel_cache.read_code("a.o") == CODE
    assert [path.name for path in folder.iterdir()] == ["a.o"]


def test_in_a_folder_with_the_sticky_bit_each_file_is_checked(folder):
    kernel_cache.write_code("a.o", CODE)
    folder.chmod(0o1777)
    assert kernel_cache.read_code("a.o") == CODE


def test_a_file_that_others_can_write_to_is_written_again(folder, capfd):
    kernel_cache.write_code("a.o", CODE)
    (folder / "a.o").chmod(0o666)
    assert kernel_cache.read_code("a.o") is None
    assert "mode 0666" in capfd.readouterr().err
    assert kernel_cache.write_code("a.o", CODE)
    assert kernel_cache.read_code("a.o") == CODE


@pytest.mark.parametrize("writable", [True, False])
def test_for_a_read_only_folder_the_message_does_not_say_that_code_is_kept(
    folder, monkeypatch, capfd, writable
):
    kernel_cache.write_code("a.o", CODE)
    # Not by changing its mode, since root may write to any folder.
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    kernel_cache.announce_compilation.cache_clear()
    try:
        kernel_cache.announce_compilation()
    finally:
        kernel_cache.announce_compilation.cache_clear()
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert (f"is kept in {folder}" in said) == writable
    assert (f"is not kept, since {folder} cannot be written to" in said) != writable
    assert (kernel_cache.VARIABLE in said) != writable
    assert kernel_cache.read_code("a.o") == CODE


def test_files_of_another_user_are_not_used(folder, monkeypatch, capfd):
    kernel_cache.write_code("a.o", CODE)
    owner = (folder / "a.o").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: NOT_ROOT)
    if owner == 0:
        # KernelBuilder that root has compiled into an image is used by everybody.
        assert kernel_cache.read_code("a.o") == CODE
        os.chown(folder, 54321, -1)
    assert kernel_cache.read_code("a.o") is None
    assert "belongs to another user" in capfd.readouterr().err


def test_without_a_home_folder_a_temporary_folder_is_used(monkeypatch, tmp_path):
    for name in (kernel_cache.VARIABLE, "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path))

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(kernel_cache.Path, "home", no_home)
    assert kernel_cache.write_code("a.o", CODE)
    assert kernel_cache.read_code("a.o") == CODE
    assert kernel_cache.cache_folder() == tmp_path / f"deltarule-{os.geteuid()}"


def test_an_unusable_home_folder_is_skipped(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.delenv(kernel_cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path))
    assert kernel_cache.cache_folder() == tmp_path / f"deltarule-{os.geteuid()}"
    # A folder named by the variable is used or not, but never replaced by another.
    monkeypatch.setenv(kernel_cache.VARIABLE, str(file / "kernels"))
    assert kernel_cache.cache_folder() == file / "kernels"
    assert kernel_cache.reason_not_kept()


# A predictor's driver and its two objects take two seconds to compile. Training has a driver of its
# own, which takes ten, and is kept and read by the same functions.
RUN = """
import numpy as np
from deltarule import Network
from deltarule.engines import make_predictor
net = Network([1, 3, 1])
predict = make_predictor(net, net.initial(0), "compiled")
print(predict(np.linspace(-1, 1, 20)[:, None]).tobytes().hex())
"""


def ran(folder):
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {kernel_cache.VARIABLE: str(folder), "DELTARULE_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


# The same in children of a process that has imported all that this needs, and has let Numba
# compile something else, which takes as long as the rest. A child has code only from its folder.
FORKS = f"""
import os, sys, traceback
import numba
import deltarule.engines.compiled
from deltarule import Network
from deltarule.engines import make_predictor
numba.njit(lambda a, n: a[n] + 1.0).compile("(float64[:], int64)")
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            folder, *outputs = line.split()
            os.environ[{kernel_cache.VARIABLE!r}] = folder
            for number, path in enumerate(outputs, 1):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            exec({RUN!r})
            status = 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def ran_in_a_child(tmp_path):
    """As ``ran``, in a child of one process."""
    outputs = [tmp_path / "stdout", tmp_path / "stderr"]
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"DELTARULE_THREADS": "1"},
    ) as parent:  # fmt: skip

        def ran(folder):
            print(folder, *outputs, file=parent.stdin, flush=True)
            status = parent.stdout.readline()
            said = tuple(path.read_text() for path in outputs)
            assert status == "0\n", said[1]
            return said

        yield ran
        parent.stdin.close()
        assert parent.wait(60) == 0


def damaged(data, kind, chance):
    """The bytes of a file after damage of that kind."""
    if kind == "bit":
        at = chance.randrange(8 * len(data))
        return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]
    if kind == "cut":
        return data[: chance.randrange(len(data))]
    if kind == "zeros":
        at = chance.randrange(len(data))
        end = min(at + 4096, len(data))
        return data[:at] + bytes(end - at) + data[end:]
    return data[len(kernel_cache._HEAD) + 32 :]  # the code without a header, as in an older format


@pytest.mark.slow
def test_after_any_damage_the_results_are_right_and_the_cache_is_repaired(
    tmp_path, monkeypatch, ran_in_a_child
):
    chance = random.Random(13)
    folder = tmp_path / "kernels"
    right, _ = ran(folder)  # in a process of its own
    whole = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    assert {path.suffix for path in whole} == {".kernels", ".driver"}
    monkeypatch.setenv(kernel_cache.VARIABLE, str(folder))
    assert len(whole) == 3
    for kind in ("bit", "cut", "zeros", "older", "swapped", "empty"):
        chosen = chance.sample(sorted(whole), len(whole))
        for path, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):
            if kind == "swapped":
                path.write_bytes(whole[other])
            else:
                path.write_bytes(b"" if kind == "empty" else damaged(whole[path], kind, chance))
            assert kernel_cache.read_code(path.name) is None, (kind, path.name)
        assert ran_in_a_child(folder)[0] == right, kind
        # What was asked for is there again, and the next run compiles nothing.
        assert ran_in_a_child(folder) == (right, ""), kind
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_two_first_runs_at_the_same_time_do_not_disturb_each_other(tmp_path):
    environment = os.environ | {
        kernel_cache.VARIABLE: str(tmp_path / "kernels"),
        "DELTARULE_THREADS": "1",
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RUN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment,
        )
        for _ in range(2)
    ]  # fmt: skip
    outcomes = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert outcomes[0] == outcomes[1] == ran(tmp_path / "kernels")[0]


@pytest.mark.slow
def test_a_warmup_that_cannot_keep_code_reports_it(tmp_path):
    folder = tmp_path / "kernels"
    folder.mkdir()
    folder.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-m", "deltarule", "warmup", "--quiet"], capture_output=True, text=True,
        timeout=300, check=False, env=os.environ | {kernel_cache.VARIABLE: str(folder)},
    )  # fmt: skip
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "mode 0777" in done.stderr.splitlines()[-1]
