"""Workers that die, hang and talk nonsense; and none is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks.comparison.processes import (
    Absent,
    Worker,
    cores,
    environment,
    from_checkout,
    peer_command,
)
from tests.benchmarks.helpers import TINY

from deltarule.errors import WorkerFailed

POSIX = pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals and groups are POSIX's")
ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's /proc")
JOB = {"config": TINY.as_record(), "threads": 1, "engine": "auto", "seconds": 0.0}


def answering(text):
    return from_checkout(f"import sys; sys.stdin.readline(); print({text!r}, flush=True); input()")


def gone(pid):
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def eventually(condition, seconds=20.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_worker_measures():
    with Worker("NumPy", 1, peer_command("numpy")) as worker:
        facts, measure = worker.prepare(**JOB)
        assert measure() > 0
        assert facts["epochs"] == 1
        assert facts["versions"]["NumPy"]
    assert worker._process.returncode is not None


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (from_checkout("import sys; sys.exit(7)"), "ended with status 7 while it prepared"),
        (answering("hello"), "answered 'hello' while it prepared; expected a JSON object"),
        (answering("[1]"), "expected a JSON object"),
        (answering('"done"'), "expected a JSON object"),
        (answering('{"failed": "ValueError: odd"}'), r"X: ValueError: odd \(while it prepared\)"),
    ],
)
def test_what_a_bad_worker_does_is_told(command, message):
    with Worker("X", 1, command) as worker, pytest.raises(WorkerFailed, match=message):
        worker.prepare()
    assert worker._process.returncode is not None


@POSIX
def test_a_worker_that_is_killed_is_told_by_the_signal():
    code = "import os, signal, sys; sys.stdin.readline(); os.kill(os.getpid(), signal.SIGKILL)"
    command = from_checkout(code)
    with Worker("X", 1, command) as worker, pytest.raises(WorkerFailed, match="SIGKILL"):
        worker.prepare()


def test_a_library_that_is_not_there_is_no_failure():
    command = answering('{"absent": "x is not installed"}')
    with Worker("X", 1, command) as worker, pytest.raises(Absent, match="x is not installed"):
        worker.prepare()


def test_what_goes_wrong_inside_is_told_and_the_worker_goes_on():
    with Worker("NumPy", 1, peer_command("numpy")) as worker:
        with pytest.raises(WorkerFailed, match="NumPy: InputError: tiny: activation 'gelu'"):
            worker.prepare(**{**JOB, "config": {**JOB["config"], "activation": "gelu"}})
        with pytest.raises(WorkerFailed, match="do is 'rest'"):
            worker._ask({"do": "rest"}, "while it rested")


@POSIX
@pytest.mark.parametrize("stubborn", [False, True])
def test_a_worker_that_hangs_is_ended(stubborn):
    refuse = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if stubborn else ""
    code = f"import signal, time; {refuse} print('ready', flush=True); time.sleep(100)"
    with Worker("X", 1, from_checkout(code), timeout=0.2) as worker:
        assert worker._lines.get(timeout=60) == "ready\n"
        with pytest.raises(WorkerFailed, match=r"no answer for 0\.2 seconds while it prepared"):
            worker.prepare()
    ended_by = signal.SIGKILL if stubborn else signal.SIGTERM
    assert worker._process.returncode == -ended_by


@LINUX
def test_what_a_worker_started_ends_with_it():
    code = (
        "import subprocess, sys;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)']);"
        "print(child.pid, flush=True); child.wait()"
    )
    with Worker("X", 1, from_checkout(code)) as worker:
        child = int(worker._lines.get(timeout=60))
        assert not gone(child)
    assert eventually(lambda: gone(child))


def test_a_worker_ends_with_its_input_whatever_it_is_doing():
    code = (
        "import time; from benchmarks.comparison.worker import serve\n"
        "serve(lambda job: time.sleep(100))"
    )
    process = subprocess.Popen(from_checkout(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        process.stdin.write(b'{"do": "prepare", "job": {}}\n')
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.stdin.close()
        assert process.wait(20) == 0


def test_what_a_library_prints_is_no_answer():
    code = (
        "from benchmarks.comparison.worker import serve\n"
        "class Job:\n"
        "    def facts(self): print('noise'); return {'it': 1}\n"
        "    def measure(self): print('more noise'); return 2.0\n"
        "serve(lambda job: Job())"
    )
    with Worker("X", 1, from_checkout(code)) as worker:
        facts, measure = worker.prepare()
        assert (facts, measure()) == ({"it": 1}, 2.0)


def test_threads_are_told_in_the_environment():
    one, two = environment(1), environment(2)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "DELTARULE_THREADS"):
        assert (one[name], two[name]) == ("1", "2")
    assert "intra_op_parallelism_threads=1" in one["XLA_FLAGS"]
    assert "intra_op_parallelism_threads" not in two.get("XLA_FLAGS", "")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity")
def test_a_worker_is_held_to_as_many_cores_and_this_process_is_not():
    before = cores()
    code = "import json, os; print(json.dumps({'done': sorted(os.sched_getaffinity(0))})); input()"
    with Worker("X", 1, from_checkout(code)) as worker:
        assert worker._ask({}, "") == before[:1]
    assert cores() == before


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize(("end", "status"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_no_worker_outlives_the_command(tmp_path, end, status):
    command = [
        sys.executable, "-m", "benchmarks", "--configs", "T", "--against", "numpy",
        "--rounds", "100000", "--json", str(tmp_path / "times.json"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    with process:
        assert eventually(lambda: len(children(process.pid)) == 2, 60)
        time.sleep(2)
        workers = children(process.pid)
        process.send_signal(getattr(signal, end))
        assert process.wait(20) == status
        errors = process.stderr.read()
    assert eventually(lambda: all(map(gone, workers)))
    assert list(tmp_path.iterdir()) == []
    if end == "SIGINT":
        assert errors == "error: interrupted; nothing was saved\n"
