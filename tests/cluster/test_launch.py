"""`deltarule launch` on this machine: processes that JAX connects, on loopback alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.cluster.launching import (
    ENDLESS,
    FIT,
    command,
    fitted_by_scheduler,
    newest,
    run,
    saved_states,
    wait_for,
    workers_of,
)

from deltarule.tabular import TableModel

pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")
pytestmark = pytest.mark.cluster


def theta_of(folder):
    return TableModel.load(folder).model.theta


def test_two_workers_fit_what_one_does(place):
    one = run(place, *FIT, "--out", "one", "--json")
    assert one.returncode == 0, one.stderr
    two = [
        run(place, "launch", "--workers", 2, *FIT, "--out", f"two{k}", "--json") for k in range(2)
    ]
    for each in two:
        assert each.returncode == 0, each.stderr
        # Worker 0 alone prints, and nothing else is in its way.
        report = json.loads(each.stdout)
        assert report["scores"]["test"]["r2"] == pytest.approx(
            json.loads(one.stdout)["scores"]["test"]["r2"], rel=1e-5
        )
    np.testing.assert_allclose(
        theta_of(place / "two0"), theta_of(place / "one"), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(theta_of(place / "two0"), theta_of(place / "two1"))


def test_a_table_larger_than_memory(place):
    options = [*FIT, "--memory", "700MB", "--batch-size", "32"]
    one = run(place, *options, "--out", "large1")
    assert one.returncode == 0, one.stderr
    two = run(place, "launch", "--workers", 2, *options, "--out", "large2")
    assert two.returncode == 0, two.stderr
    np.testing.assert_allclose(
        theta_of(place / "large2"), theta_of(place / "large1"), rtol=1e-4, atol=1e-6
    )
    assert [path.name for path in place.glob("deltarule-store-*")] == []


def test_a_killed_worker_ends_all_and_the_same_command_goes_on(place):
    launch = command("launch", "--workers", 2, *ENDLESS, "--out", "killed")
    with subprocess.Popen(
        launch, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: len(saved_states(place / "saved")) > 1 or process.poll() is not None)
        first, second = workers_of(process.pid)
        os.kill(second, signal.SIGKILL)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.count("error:") == 1
    assert "worker 1 of 2 was ended by SIGKILL" in error
    wait_for(lambda: not Path(f"/proc/{first}").exists())
    # Ctrl-C reaches all workers once; worker 0 saves the best epoch, and the others wait for it.
    before = newest(place / "saved")
    with subprocess.Popen(
        launch, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: newest(place / "saved") > before + 2)
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "error" not in error
    assert "Saved in killed" in output


def test_an_ended_launcher_takes_its_workers_along(place):
    with subprocess.Popen(
        command("launch", *FIT, "--epochs", "100000", "--patience", "100000", "--out", "gone"),
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_for(lambda: len(workers_of(process.pid)) == 2)
        workers = workers_of(process.pid)
        process.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_errors_are_told_once(place):
    for options, status, told in [
        (["fit", "none.csv", "--target", "y", "--layers", "8"], 3, "there is no file 'none.csv'"),
        (["fit", "data.csv", "--target", "y"], 2, "2 workers were given a portfolio"),
        ([*FIT, "--record"], 2, "a recording was asked for on many workers"),
    ]:
        done = run(place, "launch", "--workers", 2, *options)
        assert done.returncode == status
        assert done.stderr.count("error:") == 1
        assert told in done.stderr


def test_a_world_of_the_wrong_size_takes_no_step(place):
    # As of a scheduler: two processes, where three workers are asked for.
    code = (
        "import sys\n"
        "from deltarule.cluster import join\n"
        "join('127.0.0.1:' + sys.argv[1], int(sys.argv[2]), 2, workers=3)"
    )
    port = str(20_000 + os.getpid() % 20_000)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, port, str(rank)], stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "WorkerFailed: there are 2 workers; expected 3" in error


def test_open_mpi_starts_the_workers(place):
    # What mpirun sets for each of its processes.
    port = 20_000 + (os.getpid() + 7) % 20_000
    ranks = [
        {
            "OMPI_MCA_orte_hnp_uri": f"1531576320.0;tcp://127.0.0.1:{port}",
            "OMPI_COMM_WORLD_SIZE": "2",
            "OMPI_COMM_WORLD_RANK": str(rank),
            "OMPI_COMM_WORLD_LOCAL_RANK": str(rank),
            "JAX_PLATFORMS": "cpu",
        }
        for rank in range(2)
    ]
    statuses, outputs = fitted_by_scheduler(place, "mpi", ranks)
    assert statuses == [0, 0], outputs
    assert "Saved in mpi" in outputs[0][0]
    assert outputs[1][0] == ""
