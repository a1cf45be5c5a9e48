"""What the driver reads: a network, its settings and its arrays as integers.

:class:`Plan` holds the arrays (in one block for the parameters and what moves with
them, in one for the scratch of a batch) and the array of integers that says where they are.
A new kind of layer is a new set of fields here, and a branch at one place each of the
driver's forward and backward pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.engines.base import EngineSettings
from deltarule.engines.compiled import fields as d
from deltarule.engines.compiled.code import LINE, lanes_of
from deltarule.engines.compiled.formulas import write_activation, write_loss, write_prediction
from deltarule.engines.compiled.library import compiled
from deltarule.engines.compiled.products import write_gemm, write_products
from deltarule.engines.compiled.rows import write_rows
from deltarule.engines.compiled.updates import write_passes, write_penalty, write_update
from deltarule.errors import InputError, NotCompilable
from deltarule.maths import Network

__all__ = ["Plan", "address_of"]

# Which products BLAS does, by bytes of W and rows of the batch. Measured on one core with
# AVX-512 and 2 MB of second cache (OpenBLAS; tile/BLAS in GFLOP/s, float32, n_in × n_out × rows):
#
#                      forward    backward   weights
#     64 × 64 × 32      78/65      83/74      79/51
#     784 × 128 × 128  159/117    140/124    148/126
#     512 × 512 × 64   153/122    125/105    147/126
#     512 × 512 × 256  142/132    109/123    143/138
#     784 × 512 × 256  148/136    117/128    138/140
#     1024 × 2048 × 512 71/136     37/125     72/148
#
# Tiles win until W leaves the second cache; read by columns (backward) it does so earlier.
# Products that are narrow one way stay with the tiles: 512 × 10 × 256 is 117/42.
_NARROW = 64
_LARGE = 5 << 19
_LARGE_BACKWARD = 15 << 16
_NEVER = 1 << 62
_PADDED = 4 * LINE


def address_of(array: np.ndarray) -> int:
    """Where an array's numbers stand."""
    return int(array.__array_interface__["data"][0])


def aligned(n: int, dtype: Any) -> np.ndarray:
    """Zeros that start at a cache line, in whole groups of four lines."""
    size = -(-n * np.dtype(dtype).itemsize // _PADDED) * _PADDED
    raw = np.zeros(size + LINE, dtype=np.uint8)
    start = -address_of(raw) % LINE
    return raw[start : start + size].view(dtype)


def _blas(dtype: np.dtype[Any]) -> int:
    from numba.extending import get_cython_function_address

    name = "sgemm" if dtype == np.float32 else "dgemm"
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))


def _lines(width: int, lanes: int) -> int:
    """Cache lines between rows of that width: an odd number where there are many."""
    lines = -(-width // lanes)
    return lines | 1 if lines >= 8 else lines


class Plan:
    """Arrays, kernels and their addresses for one network with its settings.

    Attributes
    ----------
    integers : int64 array
        What the driver reads; its places are named in ``driver.py``.
    numbers : float64 array
        t, η and costs: what kernels and driver tell each other.
    theta, grad, mean : arrays of shape (p,)
        Views; ``mean`` is None where no average is kept.
    slots : dict of arrays
    """

    def __init__(self, net: Network, settings: EngineSettings, rates: tuple[float, ...]) -> None:
        self.net, self.settings = net, settings
        self.dtype = np.dtype(net.dtype)
        self.lanes = lanes_of(self.dtype)
        self.integers = np.zeros(d.HEADER + d.FIELDS * net.n_layers, dtype=np.int64)
        self.numbers = np.zeros(d.DROP_FACTORS + net.n_layers + 1)
        self.rows = 0
        self._parameters(settings)
        try:
            self._kernels(settings)
            self._layers(rates)
        except InputError as error:  # what a formula may not do, says who was asked to write it
            raise NotCompilable(str(error)) from error
        low = settings.seed & 0xFFFFFFFF
        self.integers[[d.SEED_LOW, d.SEED_HIGH]] = low, (settings.seed >> 32) & 0xFFFFFFFF
        self.reserve(32)

    # -- what stays ---------------------------------------------------------------------

    def _parameters(self, settings: EngineSettings) -> None:
        net, p, whole = self.net, self.integers, self.net.n_parameters

        def held(values: Any = None) -> tuple[np.ndarray, np.ndarray]:
            array = aligned(whole, self.dtype)
            if values is not None:
                array[:whole] = values
            return array, array[:whole]

        rule = settings.rule
        self._theta, self.theta = held()
        self._grad, self.grad = held()
        self._is_weight, _ = held(net.is_weight)
        self._frozen, _ = held(net.frozen)
        self.mean: np.ndarray | None = None
        kept = [(d.THETA, self._theta), (d.GRAD, self._grad), (d.IS_WEIGHT, self._is_weight)]
        if net.frozen.any():
            kept.append((d.FROZEN, self._frozen))
        if settings.averaging is not None:
            self._mean, self.mean = held()
            kept.append((d.MEAN, self._mean))
        self.slots: dict[str, np.ndarray] = {}
        self._whole_slots = []
        for slot in rule.slots:  # type: ignore[union-attr]
            array, view = held()
            self._whole_slots.append(array)
            self.slots[slot.name] = view if slot.kind == "theta" else array[:1].reshape(())
        self._slot_table = np.array([*map(address_of, self._whole_slots), 0], dtype=np.int64)
        self._zeros = aligned(max(net.widths), self.dtype)
        kept += [(d.SLOTS, self._slot_table), (d.ZEROS, self._zeros), (d.NUMBERS, self.numbers)]
        for place, array in kept:
            p[place] = address_of(array)
        p[d.COUNT] = len(self._theta)
        p[d.LANES], p[d.SIZE], p[d.LAYERS] = self.lanes, self.dtype.itemsize, net.n_layers
        if settings.clip_norm is not None:
            p[d.CLIP] = 1
            self.numbers[d.MAX_NORM] = settings.clip_norm

    def _kernels(self, settings: EngineSettings) -> None:
        net, p, dtype = self.net, self.integers, str(self.dtype)
        fixed = compiled(("fixed", dtype), lambda module: _write_fixed(module, dtype))
        for place, name in enumerate(d.KERNELS):
            p[place] = fixed[name]
        p[d.BLAS] = _blas(self.dtype)
        output, loss = net.output_activation, net.loss
        rule: Any = settings.rule  # a record: the settings have looked it up
        p[d.LOSS] = compiled(
            ("loss", loss, output, dtype),
            lambda module: write_loss(module, dtype, "loss", loss, output),
        )["loss"]
        if output.elementwise:
            p[d.OUT_ACT] = self._activation(output)
        else:
            p[d.OUT_ACROSS] = compiled(
                ("prediction", output, dtype),
                lambda module: write_prediction(module, dtype, "prediction", output),
            )["prediction"]
        frozen = bool(net.frozen.any())
        p[d.UPDATE] = compiled(
            ("update", rule, settings.averaging, frozen, dtype),
            lambda module: write_update(
                module,
                dtype,
                "update",
                rule,
                settings.averaging,
                frozen,
            ),
        )["update"]
        names = tuple(settings.penalties)
        if names:
            p[d.PENALTY] = compiled(
                ("penalty", names, dtype),
                lambda module: write_penalty(module, dtype, "penalty", names),
            )["penalty"]
            scales = [strength / settings.total_weight for strength in settings.penalties.values()]
            self.numbers[d.SCALES : d.SCALES + len(scales)] = scales

    def _activation(self, activation: Any) -> int:
        dtype = str(self.dtype)
        return compiled(
            ("activation", activation, dtype),
            lambda module: write_activation(module, dtype, "activation", activation),
        )["activation"]

    def _layers(self, rates: tuple[float, ...]) -> None:
        net, size = self.net, self.dtype.itemsize
        for layer in range(1, net.n_layers + 1):
            fields = self.layer(layer)
            n_in, n_out = net.widths[layer - 1], net.widths[layer]
            fields[d.N_IN], fields[d.N_OUT] = n_in, n_out
            fields[d.WEIGHT] = net.block(f"W{layer}").start * size
            large = n_in * n_out * size if min(n_in, n_out) >= _NARROW else 0
            fields[[d.FORWARD_BLAS, d.WEIGHTS_BLAS]] = _NARROW if large >= _LARGE else _NEVER
            fields[d.BACKWARD_BLAS] = 2 * _NARROW if large >= _LARGE_BACKWARD else _NEVER
            fields[d.BIAS] = net.block(f"b{layer}").start * size if net.bias else -1
            if layer < net.n_layers:
                fields[d.ACT] = self._activation(net.activations[layer])
                rate = rates[layer - 1]
                fields[d.DROPS] = rate > 0
                fields[d.DROP_THRESHOLD] = round(rate * 2**32)
                self.numbers[d.DROP_FACTORS + layer] = 1 / (1 - rate)

    @property
    def calls_blas_forward(self) -> bool:
        """Whether BLAS does the forward product of some layer in large batches."""
        layers = range(1, self.net.n_layers + 1)
        return any(self.layer(layer)[d.FORWARD_BLAS] != _NEVER for layer in layers)

    def layer(self, layer: int) -> np.ndarray:
        """The fields of layer l, from 1."""
        start = d.HEADER + (layer - 1) * d.FIELDS
        return self.integers[start : start + d.FIELDS]

    # -- scratch ------------------------------------------------------------------------

    def reserve(self, rows: int) -> None:
        """Make room for batches of so many rows; nothing happens if there is."""
        if rows <= self.rows:
            return
        lanes, size, p = self.lanes, self.dtype.itemsize, self.integers
        self.rows = max(-(-rows // lanes), 1) * lanes
        net, p[d.ROWS] = self.net, self.rows
        across = _lines(self.rows, lanes) * LINE
        wanted: list[tuple[np.ndarray, int, int]] = []  # where its address goes, and bytes

        def want(fields: np.ndarray, place: int, n_bytes: int) -> None:
            wanted.append((fields, place, n_bytes))

        def columns(width: int) -> int:
            return -(-width // lanes) * lanes * across

        want(p, d.W_BUFFER, (self.rows + lanes) * size)
        for width, by_rows, by_columns, stride in (
            (net.n_inputs, d.X_ROWS, d.X_COLUMNS, d.X_ROW_STRIDE),
            (net.n_outputs, d.Y_ROWS, d.Y_COLUMNS, d.Y_ROW_STRIDE),
        ):
            p[stride] = _lines(width, lanes) * LINE
            want(p, by_rows, self.rows * int(p[stride]))
            want(p, by_columns, columns(width))
        for layer in range(1, net.n_layers + 1):
            fields, width = self.layer(layer), net.widths[layer]
            want(fields, d.OUT, columns(width))
            want(fields, d.SLOPE, columns(width))
            if layer < net.n_layers:
                fields[d.ROW_STRIDE] = _lines(width, lanes) * LINE
                want(fields, d.ROWS_OF, self.rows * int(fields[d.ROW_STRIDE]))
        sizes = [-(-n_bytes // LINE) * LINE for _, _, n_bytes in wanted]
        self.scratch = aligned(sum(sizes) // size, self.dtype)
        start = address_of(self.scratch)
        for (fields, place, _), n_bytes in zip(wanted, sizes, strict=True):
            fields[place] = start
            start += n_bytes
        # Positions of the rows that have a weight, then their numbers; the first is the room.
        self.chosen = np.zeros(1 + 2 * self.rows + lanes, dtype=np.int64)
        self.chosen[0] = self.rows
        p[d.CHOSEN] = address_of(self.chosen)
        self.ones = np.ones(self.rows, dtype=self.dtype)


def _write_fixed(module: Any, dtype: str) -> None:
    write_products(module, dtype)
    write_gemm(module, dtype)
    write_rows(module, dtype)
    write_passes(module, dtype)
