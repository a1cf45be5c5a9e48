"""The compiler that programs are tested with: it refuses what warns, and checks at run time."""

import shutil

import pytest

from deltarule.export import c_program

STRICT = "-Wall -Wextra -Wpedantic -Werror -Wdouble-promotion"
CHECKED = "-O1 -fsanitize=address,undefined -fno-sanitize-recover=all"


@pytest.fixture
def strict(monkeypatch):
    """Programs are compiled with all warnings as errors and with sanitizers; not for their size."""
    found = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if found is None:
        pytest.skip("not run, because there is no C compiler")
    monkeypatch.setenv("CC", f"{found} {STRICT} {CHECKED}")
    monkeypatch.setattr(c_program, "host_sizes", lambda *_: None)
    monkeypatch.setattr(c_program, "m4_sizes", lambda *_: None)
    return found
