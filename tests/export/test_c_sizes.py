"""What a compiled program takes of memory, and that a compiler for a Cortex-M4 accepts it."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from tests.export.c_tables import table_model
from tests.export.conftest import STRICT

from deltarule import Model, Network
from deltarule.export import c_compiler, to_c

ARM = shutil.which("arm-none-eabi-gcc")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="not run, because gcc is not installed")
def test_the_size_of_a_program_is_that_of_its_tables_and_code(monkeypatch):
    monkeypatch.setenv("CC", "gcc")
    sizes = {}
    for width in (8, 108):
        net = Network([4, width, 1], activation="relu", dtype=np.float32)
        program = to_c(Model(net, net.initial(0)))
        sizes[width] = next(size for size in program.sizes if size.target.startswith("x86_64"))
    # 6 parameters and 1 activation for each node of the hidden layer.
    assert abs(sizes[108].flash - sizes[8].flash - 6 * 4 * 100) < 200
    assert abs(sizes[108].stack - sizes[8].stack - 4 * 100) < 100
    assert sizes[8].ram == 0


@pytest.mark.arm
def test_a_cortex_m4_takes_it(tmp_path):
    """All encoders of a table, without a warning, and linked with a mathematics library."""
    if ARM is None:
        assert os.environ.get("DELTARULE_REQUIRE_ARM") != "1", "arm-none-eabi-gcc is missing"
        pytest.skip("not run, because arm-none-eabi-gcc is not installed")
    for numbers in ("standard", "periodic", "piecewise_linear"):
        model, table = table_model(numbers=numbers, calendar=True, one_hot_levels=4)
        program = to_c(model, tmp_path / numbers, data=table)
        command = [ARM, *c_compiler.CORTEX_M4, "-std=c99", "-Os", *STRICT.split()]
        command += ["-ffunction-sections", "-Wl,--gc-sections", "--specs=nosys.specs"]
        command += ["network.c", "network_test.c", "-o", "network.elf", "-lm"]
        subprocess.run(command, cwd=tmp_path / numbers, check=True, capture_output=True)
        (size,) = (size for size in program.sizes if size.target.startswith("Cortex-M4"))
        assert 2000 < size.flash < 60_000
        assert size.ram == 0
        assert size.stack is not None
