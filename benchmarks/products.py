"""The compiled engine's matrix products compared with BLAS: GFLOP/s, one thread, float32.

``python benchmarks/products.py [--rounds N]``

For each size: the forward product, the backward product, and that of the weights' gradient, in
the engine's blocks, and by SciPy's sgemm on arrays in Fortran order. The two are measured in turn.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import ctypes
import statistics
import time

import numpy as np
from scipy.linalg.blas import sgemm

from deltarule.engines.compiled.dense import cache_block
from deltarule.engines.compiled.linker import compiled_library
from deltarule.engines.compiled.plan import write_fixed_kernels
from deltarule.engines.compiled.workspace import address_of, aligned, line_stride

SIZES = [
    (64, 64, 32),
    (784, 128, 128),
    (784, 512, 256),
    (512, 512, 256),
    (512, 10, 256),
    (1024, 2048, 512),
    (2048, 2048, 512),
]
LANES, SIZE = 16, 4


def kernels():
    """The products by name, as functions of eleven integers."""
    library = compiled_library(
        ("fixed", "float32"), lambda module: write_fixed_kernels(module, "float32")
    )
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 11)
    names = ("forward", "forward_add", "backward", "backward_first", "backward_add")
    return {n: kind(library[n]) for n in (*names, "backward_last", "weights")}


def ours(n_in, n_out, rows, random):
    """{product: function}, with the blocks of ``dense.py``."""
    kernel, cut = kernels(), cache_block.py_func
    stride = line_stride(rows, LANES) * 64
    by_rows = line_stride(n_in, LANES) * 64

    def array(n_bytes):
        values = aligned(n_bytes // SIZE, np.float32)
        values[:] = random.standard_normal(len(values))
        return values

    W, bias, dW = (array(n) for n in (n_in * n_out * SIZE, n_out * SIZE, n_in * n_out * SIZE))
    A, partial = array(n_in * stride), array(n_in * stride)
    Z, delta, A_rows, room = (
        array(n) for n in (n_out * stride, n_out * stride, rows * by_rows, 64 * n_out)
    )
    w, b, g, a, p, z, d, r, place = map(
        address_of, (W, bias, dW, A, partial, Z, delta, A_rows, room)
    )
    kept = (W, bias, dW, A, partial, Z, delta, A_rows, room)
    vectors = -(-rows // LANES)

    def forward():
        length, name, k = cut(n_in, vectors * 64), "forward", 0
        while k < n_in:
            m = min(length, n_in - k)
            kernel[name](z, stride, w + k * SIZE, n_in * SIZE, a + k * stride, stride, m, b, n_out,
                         vectors * LANES, 0)  # fmt: skip
            name, k = "forward_add", k + m
        return kept

    def backward():
        length, j = cut(n_out, vectors * 64), 0
        packs = place if vectors >= 4 and n_in * SIZE >= 1024 else 0
        name = "backward" if length == n_out else "backward_first"
        while j < n_out:
            m = min(length, n_out - j)
            if j and j + m == n_out:
                name = "backward_last"
            target = p if name in ("backward_first", "backward_add") else a
            source = (w + j * n_in * SIZE, n_in * SIZE, d + j * stride, stride)
            kernel[name](target, stride, *source, m, p, n_in, vectors * LANES, packs)
            name, j = "backward_add", j + m

    def weights():
        width = -(-cut(n_in, rows * SIZE) // (2 * LANES)) * 2 * LANES
        for k in range(0, n_in, width):
            m = min(width, n_in - k)
            kernel["weights"](g + k * SIZE, n_in * SIZE, d, stride, r + k * SIZE, by_rows, rows, 0,
                              n_out, m, 0)  # fmt: skip

    return {"forward": forward, "backward": backward, "weights": weights}


def theirs(n_in, n_out, rows, random):
    """The same products by BLAS, into existing arrays."""

    def array(*shape):
        return np.asfortranarray(random.standard_normal(shape), dtype=np.float32)

    A, W, D = array(rows, n_in), array(n_in, n_out), array(rows, n_out)
    Z, U, G = array(rows, n_out), array(rows, n_in), array(n_in, n_out)
    return {
        "forward": lambda: sgemm(1.0, A, W, c=Z, overwrite_c=1),
        "backward": lambda: sgemm(1.0, D, W, c=U, trans_b=1, overwrite_c=1),
        "weights": lambda: sgemm(1.0, A, D, c=G, trans_a=1, overwrite_c=1),
    }


def main() -> None:
    """Print a line for each size: tiles/BLAS."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    random = np.random.default_rng(0)
    print(f"{'n_in × n_out × rows':<22}{'forward':>12}{'backward':>12}{'weights':>12}   tiles/BLAS")
    for size in SIZES:
        pair = ours(*size, random), theirs(*size, random)
        n_in, n_out, rows = size
        work = 2.0 * n_in * n_out * rows
        times = max(int(2e7 / work), 1)
        cells = []
        for product in ("forward", "backward", "weights"):
            found = ([], [])
            for _ in range(rounds + 1):
                for measured, functions in zip(found, pair, strict=True):
                    started = time.perf_counter()
                    for _ in range(times):
                        functions[product]()
                    measured.append((time.perf_counter() - started) / times)
            rates = [work / statistics.median(measured[1:]) / 1e9 for measured in found]
            cells.append(f"{rates[0]:8.0f}/{rates[1]:<3.0f}")
        print(f"{' × '.join(map(str, size)):<22}" + "".join(cells))


if __name__ == "__main__":
    main()
