"""Elementary functions and activations of the compiled engine: ns per element, one thread.

``python benchmarks/elementary.py [names …] [--rounds N]``

Arrays of 4096 numbers fit into the L1 cache. Functions are measured alone, from one
array into another; activations as their kernels run in training (value and slope) and in
prediction (value), less the time of copying z. The smallest of many rounds is printed: it is
the time when nothing else is running. ``DELTARULE_CPU`` names
another processor, ``x86-64-v3`` one with AVX2 and no AVX-512.
"""

import argparse
import ctypes
import time

import numpy as np
from llvmlite import ir

from deltarule.engines.compiled.formula_kernels import write_activation
from deltarule.engines.compiled.ir_builder import I64, LINE, KernelBuilder
from deltarule.engines.compiled.ir_namespace import IRNamespace
from deltarule.engines.compiled.linker import Library
from deltarule.engines.compiled.target import processor
from deltarule.engines.compiled.workspace import address_of, aligned
from deltarule.maths import ACTIVATIONS

N, TIMES = 4096, 50
WORDS = ("exp", "expm1", "tanh", "log", "log1p", "sqrt", "normal_cdf", "normal_pdf", "gelu_slope")
KERNELS = [g.name for g in ACTIVATIONS if g.elementwise]


def write_words(module, dtype):
    """``word(x, out, times)`` for each word, and ``copy``."""
    for word in (*WORDS, "copy"):
        code = KernelBuilder(module, word, 3, dtype)
        x, out, times = code.args
        with code.loop(times), code.loop(code.int64(N * code.size), LINE) as loop:
            xp = IRNamespace(code)
            value = xp.value(code.load(code.sum(x, loop.index)))
            value = value if word == "copy" else getattr(xp, word)(value)
            code.store(value.ir, code.sum(out, loop.index))
        code.ret()


def write_kernels(module, dtype):
    """``name_times(source, z, slope, times)`` for each activation."""
    for name in KERNELS:
        write_activation(module, dtype, name, ACTIVATIONS.get(name))
        code = KernelBuilder(module, f"{name}_times", 4, dtype)
        source, z, slope, times = code.args
        with code.loop(times):
            with code.loop(code.int64(N * code.size), LINE) as loop:
                code.store(code.load(code.sum(source, loop.index)), code.sum(z, loop.index))
            size = [ir.Constant(I64, each) for each in (N, 1, 0, 0)]
            code.b.call(module.globals[name], [z, slope, *size])
        code.ret()


def best(address, arguments, rounds):
    """Nanoseconds per element."""
    kernel = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * (len(arguments) + 1))(address)
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        kernel(*arguments, TIMES)
        found.append(time.perf_counter() - started)
    return min(found) / (N * TIMES) * 1e9


def measured(dtype, names, rounds):
    """{name: ns} of the functions, and {name: (ns in training, ns in prediction)}."""
    words, kernels = (
        Library(lambda m: write_words(m, dtype)),
        Library(lambda m: write_kernels(m, dtype)),
    )
    rng = np.random.default_rng(0)
    x, z, slope = (aligned(N, dtype) for _ in range(3))
    normal = rng.normal(0, 2, N)
    at = [address_of(array) for array in (x, z, slope)]
    alone, both = {}, {}
    x[:N] = normal
    copying = best(words["copy"], at[:2], rounds)
    for name in WORDS:
        if not names or name in names:
            x[:N] = np.abs(normal) if name in ("log", "log1p", "sqrt") else normal
            alone[name] = best(words[name], at[:2], rounds)
    x[:N] = normal
    for name in KERNELS:
        if not names or name in names:
            address = kernels[f"{name}_times"]
            training = best(address, at, rounds) - copying
            both[name] = training, best(address, [*at[:2], 0], rounds) - copying
    return alone, both


def main() -> None:
    """Print a line for each function and each kernel."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    print(f"processor {processor()[0]}; ns per element")
    one, other = (measured(dtype, given.names, given.rounds) for dtype in ("float32", "float64"))
    print(f"\n{'function':<12}  float32  float64")
    for name in one[0]:
        print(f"{name:<12} {one[0][name]:8.3f} {other[0][name]:8.3f}")
    print(f"\n{'activation':<12}  float32: training  prediction   float64: training  prediction")
    for name in one[1]:
        cells = (f"{a:18.3f} {b:11.3f}  " for a, b in (one[1][name], other[1][name]))
        print(f"{name:<12}" + "".join(cells))


if __name__ == "__main__":
    main()
