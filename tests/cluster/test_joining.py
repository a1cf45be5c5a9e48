"""Workers that cannot join: one clear error, and nothing is left behind."""

import os
import socket
import subprocess
import sys

import pytest

from deltarule.cluster import join
from deltarule.errors import InputError

CODE = """
import sys
from deltarule.cluster import join
from deltarule.errors import DeltaruleError
try:
    join(sys.argv[1], int(sys.argv[2]), 2, timeout=1.0)
except DeltaruleError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    raise SystemExit(3) from None
"""


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (("127.0.0.1:99999", 0, 2), "address"),
        (("127.0.0.1:0", 0, 2), "address"),
        (("127.0.0.1:http", 0, 2), "address"),
        (("29400", 0, 2), "address"),
        ((29400, 0, 2), "address"),
        (("127.0.0.1:29400", 2, 2), "rank"),
        (("127.0.0.1:29400", -1, 2), "rank"),
        (("127.0.0.1:29400", 0, None), "size"),
    ],
)
def test_places_that_cannot_be(given, parameter):
    with pytest.raises(InputError) as caught:
        join(*given)
    assert caught.value.parameter == parameter


def test_timeouts_that_cannot_be():
    for name in ("timeout", "worker_timeout", "step_timeout"):
        with pytest.raises(InputError) as caught:
            join(**{name: 0})
        assert caught.value.parameter == name


@pytest.mark.cluster
def test_addresses_that_worker_0_cannot_listen_on():
    pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for address in (f"127.0.0.1:{taken.getsockname()[1]}", "192.0.2.77:29400"):
            with pytest.raises(InputError, match="worker 0 cannot listen on") as caught:
                join(address, 0, 2)
            assert caught.value.parameter == "address"
    with pytest.raises(InputError, match="no address that this machine can find"):
        join("nowhere.invalid:29400", 1, 2)


@pytest.mark.cluster
def test_workers_that_do_not_come():
    pytest.importorskip("jax", reason="JAX is not installed: make cluster installs it")
    # Two that wait for another one each: at different ports.
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, f"127.0.0.1:{port}", str(rank)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )
        for rank, port in enumerate([20_000 + (os.getpid() + k) % 20_000 for k in (31, 32)])
    ]
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 3
        told = "WorkerFailed: the workers did not find each other; expected all 2 of them within 1"
        assert error.startswith(told)
        assert error.count("\n") == 1  # and no trace of JAX's code
