"""``deltarule doctor``: what this installation is, and whether something is wrong with it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from deltarule._version import __version__
from deltarule.cli import output
from deltarule.engines import CHECKS, check_engine, engine_name, make_engine
from deltarule.engines.environment import environment_of
from deltarule.engines.registry import VARIABLE as ENGINE
from deltarule.engines.registry import compiled_module
from deltarule.engines.threads import VARIABLE as THREADS
from deltarule.engines.threads import usable_threads
from deltarule.errors import DeltaruleError
from deltarule.maths import Network
from deltarule.training import train

__all__ = ["Examination", "examine", "report_examination", "standard_run"]

_REQUIRED = ("numpy", "scipy", "scikit-learn", "pyarrow", "duckdb", "narwhals", "safetensors")
_OPTIONAL = ("numba", "llvmlite", "matplotlib", "threadpoolctl", "onnx", "onnxruntime", "starlette")
_VARIABLES = ("DELTARULE_CACHE", THREADS, ENGINE, "DELTARULE_CPU", "OMP_NUM_THREADS")
# The contract without its longest check, which 'deltarule check' makes.
_CHECKS = [name for name in CHECKS if name != "gradient"]


@dataclasses.dataclass
class Examination:
    """What was found on this machine.

    Attributes
    ----------
    versions, machine : dict
        Of Python and the libraries; of the processor and the system.
    engine, threads, cache, contract, digests : dict
        What ``"auto"`` is; the threads that may be used; the folder of compiled code; the checks of
        the engine contract; the digest of the parameters after the standard run, by engine.
    problems : list of str
        What is wrong, and what to do; empty if nothing is.
    """

    versions: dict[str, str | None] = dataclasses.field(default_factory=dict)
    machine: dict[str, Any] = dataclasses.field(default_factory=dict)
    engine: dict[str, Any] = dataclasses.field(default_factory=dict)
    threads: dict[str, Any] = dataclasses.field(default_factory=dict)
    cache: dict[str, Any] = dataclasses.field(default_factory=dict)
    contract: dict[str, Any] = dataclasses.field(default_factory=dict)
    digests: dict[str, str] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)


def standard_run(engine: str) -> str:
    """Return the digest of the parameters and losses after a small run that is always the same.

    4-8-3, tanh and softmax, float32, 96 rows, 60 steps of Adam with dropout. Equal digests of two
    machines mean that they compute the same bits, as far as this run shows.

    Examples
    --------
    >>> standard_run("reference") == standard_run("reference")
    True
    """
    rng = np.random.default_rng(1986)
    # Quotients of small integers, so that no function of a library takes part in the data.
    X = (rng.integers(-64, 65, size=(96, 4)) / 32).astype(np.float32)
    Y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, size=96)]
    net = Network(
        [4, 8, 3],
        activation="tanh",
        output_activation="softmax",
        loss="cross_entropy",
        dtype="float32",
    )
    options: dict[str, Any] = {"learning_rate": 0.01, "batch_size": 16, "epochs": 10}
    result = train(net, X, Y, engine=engine, dropout=0.25, guard="off", **options)
    digest = hashlib.sha256(np.ascontiguousarray(result.theta).tobytes())
    digest.update(np.array(result.history.column("loss")).tobytes())
    return digest.hexdigest()[:16]


def examine(show: Callable[[str], Any] = lambda text: None) -> Examination:
    """Examine this installation; a part that fails is a problem, and the others are examined."""
    found = Examination()
    for what, part in (
        ("versions", _versions),
        ("processor", _machine),
        ("threads", _threads),
        ("cache", _cache),
        ("engine", _engine),
        ("standard run", _digests),
        ("contract", _contract),
    ):
        show(f"examining the {what}")
        try:
            part(found)
        except (DeltaruleError, OSError, ImportError) as error:
            text = output.error_text(error) if isinstance(error, DeltaruleError) else repr(error)
            found.problems.append(f"{what}: {text}")
    found.problems = list(dict.fromkeys(found.problems))
    return found


def _versions(found: Examination) -> None:
    found.versions = {"deltarule": __version__, "python": platform.python_version()}
    for name in (*_REQUIRED, *_OPTIONAL):
        try:
            found.versions[name] = version(name)
        except PackageNotFoundError:
            found.versions[name] = None
            if name in _REQUIRED:
                found.problems.append(f"{name} is not installed; install deltarule again")


def _machine(found: Examination) -> None:
    environment = environment_of("reference")
    found.machine = {
        "system": platform.platform(),
        "processor": environment["processor"],
        "cores": os.cpu_count(),
        "source": environment["source"],
        "byte order": sys.byteorder,
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _threads(found: Examination) -> None:
    found.threads = {"usable": usable_threads()}


def _cache(found: Examination) -> None:
    cache = compiled_module("kernel_cache")
    folder = cache.cache_folder()
    reason = cache.reason_not_kept()
    if not reason and not os.access(folder, os.W_OK):
        reason = f"{folder} cannot be written to"
    files = [each for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []
    size = sum(each.stat().st_size for each in files)
    found.cache = {"folder": str(folder), "files": len(files), "bytes": size, "not kept": reason}
    if reason:
        found.problems.append(
            f"compiled code is not kept, so that each process compiles again: {reason}; name a "
            f"folder of your own with {cache.VARIABLE}"
        )


def _engine(found: Examination) -> None:
    name = engine_name("auto")
    found.engine = {"auto": name}
    make_engine("auto")
    if name == "compiled":
        found.engine["instructions"] = environment_of(name)["instructions"]


def _digests(found: Examination) -> None:
    found.digests["reference"] = standard_run("reference")
    if found.engine.get("auto") == "compiled":
        found.digests["compiled"] = standard_run("compiled")
        if standard_run("compiled") != found.digests["compiled"]:
            found.problems.append(
                "the standard run has other bits the second time; memory or processor may be faulty"
            )


def _contract(found: Examination) -> None:
    report = check_engine(make_engine("auto"), checks=_CHECKS, raises=False)
    failed = [f"{each.check} ({each.dtype})" for each in report.results if not each.passed]
    found.contract = {"checks": len(report.results), "failed": failed}
    if failed:
        found.problems.append(
            f"the engine fails {', '.join(failed)} of its contract; 'deltarule check' has the "
            f"numbers, and {ENGINE}=reference trains without it"
        )


def report_examination(*, as_json: bool, quiet: bool) -> bool:
    """Examine this installation and print what was found; return whether nothing is wrong."""
    with output.live(quiet or as_json) as show:
        found = examine(show)
    healthy = not found.problems
    if as_json:
        output.json_object({"healthy": healthy, **dataclasses.asdict(found)})
    elif not quiet:
        output.say(_text(found))
    if not as_json:
        for problem in found.problems:
            output.error(problem)
    return healthy


def _text(found: Examination) -> str:
    machine, cache, contract = found.machine, found.cache, found.contract
    versions = [f"{name} {number}" for name, number in found.versions.items() if number]
    lacking = [name for name, number in found.versions.items() if not number]
    lines = [("versions", ", ".join(versions))]
    if lacking:
        lines.append(("not installed", ", ".join(lacking)))
    if machine:
        lines += [("system", machine["system"]), ("processor", machine["processor"])]
        lines.append(("source", machine["source"]))
        lines += [("variable", f"{name}={value}") for name, value in machine["variables"].items()]
    cores = machine.get("cores")
    lines.append(("threads", f"{found.threads.get('usable', '?')} of {cores} cores"))
    instructions = found.engine.get("instructions")
    engine = found.engine.get("auto", "none")
    lines.append(("engine", engine if instructions is None else f"{engine}, {instructions}"))
    if cache:
        size = f"{cache['files']} files, {cache['bytes'] / 1e6:.1f} MB"
        lines.append(("cache", f"{cache['folder']}, {size}"))
    lines += [("digest", f"{digest} ({name})") for name, digest in found.digests.items()]
    if contract:
        passed = contract["checks"] - len(contract["failed"])
        lines.append(("contract", f"{passed} of {contract['checks']} checks passed"))
    lines.append(("found", f"{len(found.problems)} problems" if found.problems else "no problem"))
    return "\n".join(f"{name:<14} {text}" for name, text in lines)
