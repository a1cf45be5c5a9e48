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
from deltarule.engines.compiled import plan_layout as d
from deltarule.engines.compiled.barrier import write_meeting, yield_address
from deltarule.engines.compiled.formula_kernels import (
    Kernel,
    activation_kernel,
    loss_kernel,
    prediction_kernel,
)
from deltarule.engines.compiled.gemm_tiles import write_products
from deltarule.engines.compiled.ir_builder import lanes_of
from deltarule.engines.compiled.linker import compiled
from deltarule.engines.compiled.row_kernels import write_rows
from deltarule.engines.compiled.target import processor
from deltarule.engines.compiled.update_kernels import update_kernel, write_passes, write_penalty
from deltarule.engines.compiled.workspace import Scratch, WorkerState, address_of, aligned, bits
from deltarule.errors import InputError, NotCompilable
from deltarule.maths import Network

__all__ = ["Plan"]

# Parameters that a pass takes at a time: a float32 chunk with its moments fits the second cache.
# Large networks have 64 chunks, so that the members of a team have about as many each.
_CHUNK, _CHUNKS = 4096, 64
# Bytes that the activations of a block of rows should not exceed, so that they stay in the
# second cache; rows that a block has at least, since each block reads all weights; and at most.
_BLOCK_BYTES, _LEAST_ROWS, _MOST_ROWS = 1 << 18, 512, 4096
# A batch of many blocks is divided into so many parts, each with a gradient of its own, unless
# gradients are so large that adding them up would cost more than the members' meetings.
_PART_BYTES = 1 << 18


class Plan:
    """Arrays, kernels and their addresses for one network with its settings.

    Attributes
    ----------
    integers : int64 array
        What the driver reads; its places are named in ``plan_layout.py``.
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
        self.worker_states: list[WorkerState] = []
        self._grad: np.ndarray | None = None
        self._kept_kernels: list[Kernel] = []
        self._scratch: Scratch | None = None
        self._parameters(settings)
        processor()  # a wrong switch is nobody's formula
        try:
            self._kernels(settings)
            self._layers(rates)
        except InputError as error:  # what a formula may not do, says who was asked to write it
            raise NotCompilable(str(error)) from error
        low = settings.seed & 0xFFFFFFFF
        self.integers[[d.SEED_LOW, d.SEED_HIGH]] = low, (settings.seed >> 32) & 0xFFFFFFFF
        self._sizes()
        self.reserve(32, training=False)

    # -- what stays ---------------------------------------------------------------------

    def _parameters(self, settings: EngineSettings) -> None:
        net, p, whole = self.net, self.integers, self.net.n_parameters

        def held() -> tuple[np.ndarray, np.ndarray]:
            array = aligned(whole, self.dtype)
            return array, array[:whole]

        rule = settings.rule
        self._theta, self.theta = held()
        self.mean: np.ndarray | None = None
        kept = [(d.THETA, self._theta)]
        self._marks = []
        asked = settings.penalties or rule.uses_weights  # type: ignore[union-attr]
        for place, marks, wanted in (
            (d.IS_WEIGHT, net.is_weight, asked),
            (d.FROZEN, net.frozen, net.frozen.any()),
        ):
            if wanted:
                self._marks.append(bits(marks))
                kept.append((place, self._marks[-1]))
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

    def _sizes(self) -> None:
        """How much is passed over at a time; a function of the network alone."""
        net, p, rule = self.net, self.integers, self.settings.rule
        count, vectors = int(p[d.COUNT]), 4 * self.lanes
        chunk = max(_CHUNK, -(-count // _CHUNKS // vectors) * vectors)
        one_number = any(slot.kind == "scalar" for slot in rule.slots)  # type: ignore[union-attr]
        if one_number or rule.uses_cost:  # type: ignore[union-attr]
            chunk = count  # what is one number for all parameters is moved once
        p[d.CHUNK] = chunk
        self._partials = np.zeros(-(-count // chunk))
        p[d.PARTIALS] = address_of(self._partials)
        bytes_of_row = 3 * sum(net.widths) * self.dtype.itemsize
        rows = _BLOCK_BYTES // bytes_of_row // 32 * 32
        p[d.BLOCK] = min(max(rows, _LEAST_ROWS), _MOST_ROWS)
        small = count * self.dtype.itemsize <= _PART_BYTES
        p[d.MOST_PARTS] = d.PARTS if small else 1
        self._part_grads = np.zeros(0)
        self.one = np.ones(1, dtype=self.dtype)

    def _kernels(self, settings: EngineSettings) -> None:
        net, p, dtype = self.net, self.integers, str(self.dtype)
        fixed = compiled(("fixed", dtype), lambda module: _write_fixed(module, dtype))
        for place, name in enumerate(d.KERNELS):
            p[place] = fixed[name]
        p[d.YIELD] = yield_address()
        output, loss = net.output_activation, net.loss
        rule: Any = settings.rule  # a record: the settings have looked it up
        p[[d.LOSS, d.LOSS_PARAMETERS]] = self._places(loss_kernel(loss, output, dtype))
        kernel = activation_kernel if output.elementwise else prediction_kernel
        place = d.OUT_ACT if output.elementwise else d.OUT_ACROSS
        p[[place, d.OUT_PARAMETERS]] = self._places(kernel(output, dtype))
        frozen = bool(net.frozen.any())
        update = update_kernel(rule, settings.averaging, frozen, dtype)
        p[[d.UPDATE, d.UPDATE_PARAMETERS]] = self._places(update)
        names = tuple(settings.penalties)
        if names:
            p[d.PENALTY] = compiled(
                ("penalty", names, dtype),
                lambda module: write_penalty(module, dtype, "penalty", names),
            )["penalty"]
            scales = [strength / settings.total_weight for strength in settings.penalties.values()]
            self.numbers[d.SCALES : d.SCALES + len(scales)] = scales

    def _places(self, kernel: Kernel) -> tuple[int, int]:
        """Where a kernel and its parameters stand, which are kept as long as the plan is."""
        self._kept_kernels.append(kernel)
        return kernel.places

    def _layers(self, rates: tuple[float, ...]) -> None:
        net, size = self.net, self.dtype.itemsize
        for layer in range(1, net.n_layers + 1):
            fields = self.layer(layer)
            n_in, n_out = net.widths[layer - 1], net.widths[layer]
            fields[d.N_IN], fields[d.N_OUT] = n_in, n_out
            fields[d.WEIGHT] = net.block(f"W{layer}").start * size
            fields[d.KIND] = d.DENSE
            fields[d.BIAS] = net.block(f"b{layer}").start * size if net.bias else -1
            if layer < net.n_layers:
                activation: Any = net.activations[layer]  # of hidden layers, never None
                kernel = activation_kernel(activation, str(self.dtype))
                fields[[d.ACT, d.PARAMETERS]] = self._places(kernel)
                rate = rates[layer - 1]
                fields[d.DROPS] = rate > 0
                fields[d.DROP_THRESHOLD] = round(rate * 2**32)
                self.numbers[d.DROP_FACTORS + layer] = 1 / (1 - rate)

    def layer(self, layer: int) -> np.ndarray:
        """The fields of layer l, from 1."""
        start = d.HEADER + (layer - 1) * d.FIELDS
        return self.integers[start : start + d.FIELDS]

    # -- scratch ------------------------------------------------------------------------

    @property
    def grad(self) -> np.ndarray:
        """Where the gradient is put; there from when it is first asked for."""
        if self._grad is None:
            self._grad = aligned(int(self.integers[d.COUNT]), self.dtype)
            self.integers[d.GRAD] = address_of(self._grad)
            self.worker_states = []  # they have copies of the addresses
            self.worker_state(0)
        return self._grad[: self.net.n_parameters]

    @property
    def has_parts(self) -> bool:
        """Whether there is room for batches that are divided into parts."""
        return len(self._part_grads) > 0

    def reserve(self, rows: int, *, training: bool = True) -> None:
        """Make room for batches of so many rows, with a gradient if it is for training."""
        if training:
            _ = self.grad  # made when it is first asked for
        block = int(self.integers[d.BLOCK])
        parts = min(rows // block, int(self.integers[d.MOST_PARTS]))
        others = (parts - 1) * int(self.integers[d.COUNT])
        if others > len(self._part_grads):
            self._part_grads = aligned(others, self.dtype)
            self.integers[d.PART_GRADS] = address_of(self._part_grads)
            self.worker_states = []
        rows = max(min(rows, 2 * block), 1)
        if rows > self.rows:
            self.rows = -(-rows // self.lanes) * self.lanes
            # What is there goes first: there may be no room for both.
            self.worker_states = []
            self._scratch = None
            self._scratch = Scratch(self.net, self.rows)
            self._scratch.enter(self.integers)
        self.worker_state(0)

    @property
    def scratch(self) -> np.ndarray:
        """The first member's scratch; what stands in it before a step changes nothing."""
        assert self._scratch is not None
        return self._scratch.array

    def worker_state(self, worker: int) -> WorkerState:
        """What a member of a team reads: number 0 is whoever is alone."""
        assert self._scratch is not None
        while len(self.worker_states) <= worker:
            self.worker_states.append(WorkerState(self, len(self.worker_states), self._scratch))
        return self.worker_states[worker]


def _write_fixed(module: Any, dtype: str) -> None:
    write_products(module, dtype)
    write_rows(module, dtype)
    write_passes(module, dtype)
    write_meeting(module, dtype)
