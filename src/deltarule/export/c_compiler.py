"""A C compiler, if there is one: to compile and run a program, and to measure its size."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["CORTEX_M4", "Sizes", "compiler", "host_sizes", "m4_sizes", "run_test"]

_SECONDS = 300
CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The size of a compiled program, without the mathematics library, in bytes.

    Attributes
    ----------
    target : str
        What it was compiled for.
    flash : int
        Code and constants.
    ram : int
        Variables that are not on the stack; 0.
    stack : int or None
        The frames of all functions of the program together, which is the most that it takes;
        None where the compiler does not say.
    """

    target: str
    flash: int
    ram: int
    stack: int | None


def compiler() -> list[str] | None:
    """Return the command of a C compiler: that of the variable CC, or else cc, gcc or clang.

    None if there is none, or CC names one that is not there.
    """
    given = shlex.split(os.environ.get("CC", ""))
    for command in [given] if given else (["cc"], ["gcc"], ["clang"]):
        if shutil.which(command[0]):
            return command
    return None


def _command(command: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return the command of a compiler with flags, before those that it has itself."""
    first, *own = command
    return [first, "-std=c99", *flags, *own]


def _run(command: Sequence[str], folder: Path) -> tuple[int | None, str]:
    """Run a command in a folder; return its status, None if it cannot be run, and its output."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"it took more than {_SECONDS} seconds"
    except OSError as error:
        return None, str(error)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace").strip()


def run_test(command: Sequence[str], folder: Path, name: str) -> tuple[int | None, str]:
    """Compile the test program in a folder, and run it.

    Returns
    -------
    status : int or None
        0 if all predictions are within their tolerances; None if it could not be compiled and run.
    output : str
        What it printed, or what the compiler did.
    """
    sources = [f"{name}.c", f"{name}_test.c"]
    program = folder.resolve() / f"{name}_test"
    status, output = _run(_command(command, ["-O2", *sources, "-o", str(program), "-lm"]), folder)
    if status != 0:
        return None, output
    return _run([str(program)], folder)


def _sizes(
    command: Sequence[str], measure: str, flags: Sequence[str], target: str, folder: Path, name: str
) -> Sizes | None:
    """Compile the program for size; return its size, None if that cannot be told."""
    where = f"{name}.size.o"
    flags = ["-Os", *flags, "-c", f"{name}.c", "-o", where]
    # The frames of functions, which gcc alone writes down.
    attempts = (_command(command, [*more, *flags]) for more in (["-fstack-usage"], []))
    if all(_run(each, folder)[0] != 0 for each in attempts):
        return None
    status, output = _run([measure, "-A", where], folder)
    if status != 0:
        return None
    sections = {n: int(b) for n, b in re.findall(r"^(\.\S+)\s+(\d+)\s+\d+", output, re.MULTILINE)}

    def total(*prefixes: str) -> int:
        return sum(size for section, size in sections.items() if section.startswith(prefixes))

    stack = None
    for usage in (folder / f"{name}.size.su", folder / f"{name}.su"):
        if usage.is_file():
            lines = usage.read_text("utf-8", "replace").splitlines()
            stack = sum(int(line.split("\t")[1]) for line in lines if line.count("\t") >= 2)
    flash, ram = total(".text", ".rodata", ".data"), total(".data", ".bss")
    return Sizes(target, flash, ram, stack) if flash else None


def host_sizes(command: Sequence[str], folder: Path, name: str) -> Sizes | None:
    """Return the size of a program compiled for this machine."""
    machine = _run([*command, "-dumpmachine"], folder)[1] or "this machine"
    return _sizes(command, "size", [], f"{machine}, -Os", folder, name)


def m4_sizes(folder: Path, name: str) -> Sizes | None:
    """Return the size of a program compiled for a Cortex-M4; None without its compiler."""
    command = shutil.which("arm-none-eabi-gcc")
    if command is None:
        return None
    target = "Cortex-M4, -Os"
    return _sizes([command], "arm-none-eabi-size", CORTEX_M4, target, folder, name)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of a program into a folder of which nothing else is kept."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
