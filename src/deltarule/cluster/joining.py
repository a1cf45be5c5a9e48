"""Joining a world: which process this is, and where the others are."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import ipaddress
import math
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

from deltarule.cluster.schedulers import Found, found_by_jax, scheduler
from deltarule.cluster.step_watch import STEP_TIMEOUT, StepWatch
from deltarule.cluster.world import LoneWorld, World
from deltarule.errors import InputError, Message, MissingDependency, Parameter, WorkerFailed
from deltarule.records import checked_integer, real_number

__all__ = [
    "ADDRESS",
    "RANK",
    "SIZE",
    "Place",
    "check_private",
    "checked_timeout",
    "join",
    "without_output",
]

ADDRESS, RANK, SIZE = "DELTARULE_WORLD_ADDRESS", "DELTARULE_WORLD_RANK", "DELTARULE_WORLD_SIZE"
"""The environment variables by which ``deltarule launch`` tells a process its place."""

# JAX's own, for a machine where worker 0 listens on another address than the others call.
_BIND = "JAX_COORDINATOR_BIND_ADDRESS"
_STREAM = socket.SOCK_STREAM


@dataclasses.dataclass(frozen=True)
class Place:
    """The place of a process in a world.

    Attributes
    ----------
    address : str
        Host and port of worker 0.
    rank, size : int
    """

    address: str
    rank: int
    size: int

    @classmethod
    def of_environment(cls) -> Place | None:
        """What ``deltarule launch`` has set; None if it has not started this process."""
        given = [os.environ.get(name) for name in (ADDRESS, RANK, SIZE)]
        if given == [None] * 3:
            return None
        try:
            address, rank, size = (str(each) for each in given if each is not None)
            return cls(address, int(rank), int(size))
        except ValueError:
            raise InputError(
                f"the environment variables {ADDRESS}, {RANK} and {SIZE} are {given}; expected "
                "host:port and two whole numbers, or none of them"
            ) from None

    def environment(self) -> dict[str, str]:
        """The environment variables that say this."""
        return {ADDRESS: self.address, RANK: str(self.rank), SIZE: str(self.size)}


def check_private(host: str, public: bool = False) -> None:
    """Refuse to listen on an address that the whole internet may reach.

    What the workers send each other is neither encrypted nor authenticated.

    Raises
    ------
    InputError
        If a public address belongs to the host, unless ``public`` is true; or it has none.

    Examples
    --------
    >>> check_private("127.0.0.1")
    >>> check_private("8.8.8.8")
    Traceback (most recent call last):
    deltarule.errors.InputError: workers would listen on 8.8.8.8, a public address; expected an \
address of this machine (127.0.0.1) or of a private network; what they send is not encrypted: \
give a private address, or public=True where a firewall protects it
    """
    try:
        found = {each[4][0] for each in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise InputError(
            f"{host!r} is no address that this machine can find ({error})",
            parameter="address",
            given=host,
            expected="the name or number of a machine",
        ) from None
    for text in sorted(map(str, found)):
        address = ipaddress.ip_address(text.partition("%")[0])
        if not (address.is_private or address.is_loopback or public):
            raise InputError(
                f"workers would listen on {text}, a public address",
                parameter="public",
                given=False,
                expected="an address of this machine (127.0.0.1) or of a private network",
                hint=Message(
                    "what they send is not encrypted: give a private address, or ",
                    Parameter("public", True),
                    " where a firewall protects it",
                ),
            )


def checked_timeout(name: str, timeout: Any) -> float:
    """Return the seconds of a parameter that says how long something is waited for.

    Raises
    ------
    InputError
        If they are no finite number above 0.
    """
    seconds = real_number(timeout)
    if seconds is None or not 0 < seconds < float("inf"):
        raise InputError(parameter=name, given=timeout, expected="seconds, a number above 0")
    return seconds


def join(
    address: str | None = None,
    rank: int | None = None,
    size: int | None = None,
    *,
    workers: int | None = None,
    public: bool = False,
    timeout: float = 300.0,
    worker_timeout: float = 300.0,
    step_timeout: float = STEP_TIMEOUT,
) -> World:
    """Join the world of a training; every worker calls this, before anything else uses JAX.

    Parameters
    ----------
    address : str, optional
        Host and port of worker 0: ``"127.0.0.1:29400"``. Without it, what ``deltarule launch`` has
        set; else what SLURM, Open MPI or Kubernetes have, as ``jax.distributed`` finds it; else
        this process is alone.
    rank, size : int, optional
        The number of this worker, from 0, and that of all; with ``address``.
    workers : int, optional
        How many workers there must be.
    public : bool
        Whether an address that is not private may be listened on.
    timeout : float
        Seconds to wait for the other workers.
    worker_timeout : float
        Seconds that a worker may give no sign of life, of which JAX sends each other some several
        times meanwhile, also during a long step. All others are ended, by JAX, after at most twice
        that time; so is a worker that has lost its network.
    step_timeout : float
        Seconds that a worker may take, while it trains, for its part of a step, for reading rows, a
        scorer, a callback or a checkpoint. One that takes longer ends itself, and says so: it waits
        for something that does not come, such as a file system that does not answer.

    Returns
    -------
    World

    Raises
    ------
    InputError
        If an argument cannot be used, or the address is public.
    MissingDependency
        If JAX is not installed.
    WorkerFailed
        If there are not as many workers as expected.

    Examples
    --------
    >>> from deltarule.cluster import join
    >>> join().size
    1
    """
    expected = None if workers is None else checked_integer("workers", workers, 1)
    timeout = checked_timeout("timeout", timeout)
    worker_timeout = checked_timeout("worker_timeout", worker_timeout)
    step_timeout = checked_timeout("step_timeout", step_timeout)
    place = Place.of_environment() if address is None else _given(address, rank, size)
    if address is None and place is not None:
        place = _given(place.address, place.rank, place.size)
    name = None if place is not None else scheduler()
    if place is None and name is None:
        _check_size(1, expected)
        return LoneWorld()
    jax = _jax()
    found: Found | None = None
    if name is not None:
        found = found_by_jax(name, timeout)
        place = None if found is None else Place(found.address, found.rank, found.size)
    if place is not None:
        _check_size(place.size, expected, name)
    world = _connected(jax, place, found, public, timeout, worker_timeout)
    _check_size(world.size, expected, name)
    world.watch = StepWatch(world.rank, world.size, step_timeout)
    return world


def _check_size(size: int, expected: int | None, scheduler: str | None = None) -> None:
    if expected is not None and size != expected:
        told = f", as {scheduler} says" if scheduler else ""
        raise WorkerFailed(
            f"there are {size} workers{told}" if size > 1 else "this process is the only worker",
            expected=f"{expected}",
            hint="start as many processes as workers are asked for",
        )


def _given(address: Any, rank: Any, size: Any) -> Place:
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise InputError(
            parameter="address",
            given=address,
            expected="host:port, such as '127.0.0.1:29400', with a port from 1 to 65535",
        )
    number = checked_integer("size", size, 1)
    place = Place(address, checked_integer("rank", rank, 0), number)
    if place.rank >= number:
        raise InputError(parameter="rank", given=rank, expected=f"a number from 0 to {number - 1}")
    return place


def _check_port(address: str) -> None:
    """Refuse an address that worker 0 cannot listen on; JAX would not say why."""
    host, _, port = address.rpartition(":")
    try:
        family, _, _, _, found = socket.getaddrinfo(host.strip("[]"), port, type=_STREAM)[0]
        with socket.create_server(found[:2], family=family):
            pass
    except OSError as error:
        raise InputError(
            f"worker 0 cannot listen on {address} ({error.strerror})",
            parameter="address",
            given=address,
            expected="an address of its own machine, and a port that no other process has",
        ) from None


def _jax() -> Any:
    try:
        return importlib.import_module("jax")
    except ImportError as error:
        raise MissingDependency(
            "training on many workers needs JAX, which is not installed or cannot be loaded here "
            f"({error})",
            hint="install it with pip install 'deltarule[jax]'",
        ) from error


def _connected(
    jax: Any,
    place: Place | None,
    found: Found | None,
    public: bool,
    timeout: float,
    worker_timeout: float,
) -> World:
    """Connect with the other workers; without a place JAX finds them in the environment."""
    options: dict[str, Any] = {
        "initialization_timeout": max(int(timeout), 1),
        # Worker 0 ends all after these seconds without a sign of another one; the others do after
        # half of them, or somewhat more, without an answer of worker 0.
        "heartbeat_timeout_seconds": math.ceil(2 * worker_timeout),
    }
    loopback = False
    if place is not None:
        host = place.address.rpartition(":")[0].strip("[]")
        check_private(host, public)
        loopback = _is_loopback(host)
        options |= {
            "coordinator_address": place.address,
            "num_processes": place.size,
            "process_id": place.rank,
            # JAX would listen on all addresses.
            "coordinator_bind_address": os.environ.get(_BIND) or place.address,
            "cluster_detection_method": "deactivate",
        }
        if place.rank == 0:
            _check_port(options["coordinator_bind_address"])
    if found is not None:
        options["local_device_ids"] = found.devices
    # The sums listen on the address that this machine's name has.
    if loopback:
        _sum_on_loopback()
    else:
        check_private(socket.gethostname(), public)
    try:
        with _errors_of_connecting():
            jax.distributed.initialize(**options)
        world: World = importlib.import_module("deltarule.cluster.jax_world").JaxWorld()
    except (RuntimeError, ValueError) as error:
        _forget_connection()
        raise WorkerFailed(
            "the workers did not find each other",
            expected=f"all {'' if place is None else f'{place.size} '}of them within {timeout:g} "
            f"seconds{'' if place is None else f' at {place.address}'}",
            hint="start every worker, each on a machine that reaches the others, and give all of "
            "them the same address",
        ) from error
    if place is not None and world.size != place.size:
        raise WorkerFailed(
            f"JAX connected {world.size} workers",
            expected=f"{place.size}",
            hint="call join() before anything else uses JAX",
        )
    return world


def _is_loopback(host: str) -> bool:
    found = {str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, None)}
    return all(ipaddress.ip_address(each).is_loopback for each in found)


@contextlib.contextmanager
def _errors_of_connecting() -> Iterator[None]:
    """Within the block, JAX raises an error where workers do not come in time.

    Without a callback it ends the process, with a list of addresses in its code. It cannot hand the
    callback its own kind of status either, which is an error in turn: that one is raised. Once
    connected, the process ends where JAX finds that another one is gone, as without it.
    """
    module = importlib.import_module("jax._src.distributed")
    names: Any = getattr(module, "_jax", None)
    make = getattr(names, "get_distributed_runtime_client", None)
    if make is None:  # another version of JAX
        yield
        return

    def make_with_callback(*given: Any, **options: Any) -> Any:
        own = {"missed_heartbeat_callback": lambda status: None, "shutdown_on_destruction": False}
        return make(*given, **own | options)

    names.get_distributed_runtime_client = make_with_callback
    try:
        yield
    finally:
        names.get_distributed_runtime_client = make


def _forget_connection() -> None:
    """Drop what JAX keeps of a connection that failed, and would complain of at the end."""
    with contextlib.suppress(Exception), without_output(2):
        state = importlib.import_module("jax._src.distributed").global_state
        state.client = state.preemption_sync_manager = None
        state.shutdown()


@contextlib.contextmanager
def without_output(number: int) -> Iterator[None]:
    """Within the block, the process writes nothing to standard output (1) or error (2), also by C.

    Parameters
    ----------
    number : {1, 2}
    """
    (sys.stdout if number == 1 else sys.stderr).flush()
    kept, nothing = os.dup(number), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, number)
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
        os.close(nothing)


def _sum_on_loopback() -> None:
    """Let Gloo listen on 127.0.0.1, in place of the address that the machine's name has.

    JAX has no setting for it, and Gloo's own parameter is not passed on.
    """
    module = importlib.import_module("jax._src.xla_bridge")
    make = getattr(getattr(module, "_jax", None), "make_gloo_tcp_collectives", None)
    if make is None:  # another version of JAX
        check_private(socket.gethostname())
        return
    if getattr(make, "of_deltarule", False):
        return

    def make_on_loopback(**options: Any) -> Any:
        return make(**{"hostname": "127.0.0.1"} | options)

    make_on_loopback.of_deltarule = True  # type: ignore[attr-defined]
    module._jax.make_gloo_tcp_collectives = make_on_loopback
