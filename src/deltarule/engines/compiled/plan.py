"""The plan of a network: its arrays, kernels and settings as one array of integers.

:class:`Plan` allocates the arrays (parameters, rule slots, workspace) and writes their addresses,
and all sizes, into the integer array that the driver reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.engines.base import EngineSettings
from deltarule.engines.compiled import plan_layout as f
from deltarule.engines.compiled.barrier import write_barrier, yield_address
from deltarule.engines.compiled.bfloat16_kernels import write_bfloat16_kernels
from deltarule.engines.compiled.formula_kernels import (
    Kernel,
    activation_kernel,
    loss_kernel,
    mixing_kernel,
)
from deltarule.engines.compiled.gemm_tiles import write_gemm_kernels
from deltarule.engines.compiled.ir_builder import lanes_of
from deltarule.engines.compiled.linker import Library, compiled_library
from deltarule.engines.compiled.row_kernels import write_row_kernels
from deltarule.engines.compiled.sparse_kernels import write_sparse_kernels
from deltarule.engines.compiled.target import processor
from deltarule.engines.compiled.update_kernels import (
    update_kernel,
    write_parameter_kernels,
    write_penalty,
)
from deltarule.engines.compiled.workspace import (
    WeightWords,
    WorkerState,
    Workspace,
    address_of,
    aligned,
    pack_bits,
)
from deltarule.errors import InputError, NotCompilable
from deltarule.maths import Network
from deltarule.maths.parameter_layout import weight_mask

__all__ = ["Plan", "sparse_library"]

# Parameters in one chunk of an update: a float32 chunk with its two moments fits the second-level
# cache. Large networks have 64 chunks, so that they divide evenly among threads.
_CHUNK, _CHUNKS = 4096, 64
# Bytes of the activations of one block of rows, so that they stay in the second-level cache; and
# the fewest (each block reads all weights) and the most rows of a block.
_BLOCK_BYTES, _MIN_ROWS, _MAX_ROWS = 1 << 18, 512, 4096
# A batch of many blocks is divided into parts with a gradient each, if a gradient has at most
# _PART_BYTES bytes; for a larger one, adding up the parts would cost more than waiting at barriers.
_PART_BYTES = 1 << 18


class Plan:
    """The arrays and kernels for one network with its settings, and their addresses.

    Attributes
    ----------
    integers : int64 array
        The plan that the driver reads; ``plan_layout.py`` names its fields.
    numbers : float64 array
        t, η, costs and other scalars that kernels and driver exchange.
    theta, grad, mean : arrays of shape (p,)
        Views; ``mean`` is None without averaging.
    slots : dict of str to array
        The slots of the rule, by name.
    words : bool
        Whether matrix products are of words of two bfloat16; the network's dtype is float32.
    sparse : bool
        Whether the workspace is for sparse rows.
    """

    def __init__(
        self,
        net: Network,
        settings: EngineSettings,
        rates: tuple[float, ...],
        *,
        words: bool = False,
    ) -> None:
        self.net, self.settings, self.words = net, settings, words
        self.dtype = np.dtype(net.dtype)
        self.lanes = lanes_of(self.dtype)
        self.integers = np.zeros(f.HEADER + f.FIELDS * net.n_layers, dtype=np.int64)
        self.numbers = np.zeros(f.DROP_FACTORS + net.n_layers + 1)
        self.rows = 0
        self.worker_states: list[WorkerState] = []
        self.sparse = False
        self._grad: np.ndarray | None = None
        self._kept_kernels: list[Kernel] = []
        self._workspace: Workspace | None = None
        self._parameters(settings)
        processor()  # so that a wrong DELTARULE_CPU is not reported as NotCompilable
        try:
            self._kernels(settings)
            self._layers(rates)
        except InputError as error:  # a formula uses what compiled code cannot express
            raise NotCompilable(str(error)) from error
        low = settings.seed & 0xFFFFFFFF
        self.integers[[f.SEED_LOW, f.SEED_HIGH]] = low, (settings.seed >> 32) & 0xFFFFFFFF
        self._sizes()
        self.reserve(32, training=False)

    # -- parameters and kernels -----------------------------------------------------------

    def _parameters(self, settings: EngineSettings) -> None:
        net, p, whole = self.net, self.integers, self.net.n_parameters

        def allocate() -> tuple[np.ndarray, np.ndarray]:
            array = aligned(whole, self.dtype)
            return array, array[:whole]

        rule = settings.rule
        self._theta, self.theta = allocate()
        self.mean: np.ndarray | None = None
        arrays = [(f.THETA, self._theta)]
        self._masks = []
        uses_weights = settings.penalties or rule.uses_weights  # type: ignore[union-attr]
        masks: tuple[tuple[int, Callable[[], np.ndarray], Any], ...] = (
            # Not of ``net.is_weight``, which stays in memory after the first use.
            (f.IS_WEIGHT, lambda: weight_mask(net.blocks), uses_weights),
            (f.FROZEN, lambda: net.frozen, net.some_frozen),
        )
        for field, mask, wanted in masks:
            if wanted:
                self._masks.append(pack_bits(mask()))
                arrays.append((field, self._masks[-1]))
        if settings.averaging is not None:
            self._mean, self.mean = allocate()
            arrays.append((f.MEAN, self._mean))
        self.slots: dict[str, np.ndarray] = {}
        self._whole_slots = []
        for slot in rule.slots:  # type: ignore[union-attr]
            array, view = allocate()
            self._whole_slots.append(array)
            self.slots[slot.name] = view if slot.kind == "theta" else array[:1].reshape(())
        self._slot_table = np.array([*map(address_of, self._whole_slots), 0], dtype=np.int64)
        self._zeros = aligned(max(net.widths), self.dtype)
        arrays += [(f.SLOTS, self._slot_table), (f.ZEROS, self._zeros), (f.NUMBERS, self.numbers)]
        for field, array in arrays:
            p[field] = address_of(array)
        p[f.COUNT] = len(self._theta)
        p[f.LANES], p[f.ITEM_SIZE], p[f.LAYERS] = self.lanes, self.dtype.itemsize, net.n_layers
        if settings.clip_norm is not None:
            p[f.CLIP] = 1
            self.numbers[f.MAX_NORM] = settings.clip_norm

    def _sizes(self) -> None:
        """Set the sizes of chunks and blocks, which depend on the network and its rule alone."""
        net, p, rule = self.net, self.integers, self.settings.rule
        count, vectors = int(p[f.COUNT]), 4 * self.lanes
        chunk = max(_CHUNK, -(-count // _CHUNKS // vectors) * vectors)
        has_scalar_slot = any(slot.kind == "scalar" for slot in rule.slots)  # type: ignore[union-attr]
        if has_scalar_slot or rule.uses_cost:  # type: ignore[union-attr]
            chunk = count  # a slot that is one number for all parameters is updated once
        p[f.CHUNK] = chunk
        self._partials = np.zeros(-(-count // chunk))
        p[f.PARTIALS] = address_of(self._partials)
        bytes_of_row = 3 * sum(net.widths) * self.dtype.itemsize
        rows = _BLOCK_BYTES // bytes_of_row // 32 * 32
        p[f.BLOCK] = min(max(rows, _MIN_ROWS), _MAX_ROWS)
        small = count * self.dtype.itemsize <= _PART_BYTES
        p[f.MAX_PARTS] = f.PARTS_LIMIT if small else 1
        self._part_grads = np.zeros(0)
        self.one = np.ones(1, dtype=self.dtype)

    def _kernels(self, settings: EngineSettings) -> None:
        net, p, dtype = self.net, self.integers, str(self.dtype)
        fixed = compiled_library(
            ("fixed", dtype), lambda module: write_fixed_kernels(module, dtype), in_package=True
        )
        for field, name in enumerate(f.KERNELS):
            p[field] = fixed[name]
        if self.words:
            self._word_kernels()
        p[f.YIELD] = yield_address()
        output, loss = net.output_activation, net.loss
        rule: Any = settings.rule  # a Rule: EngineSettings has looked up the name
        p[[f.LOSS, f.LOSS_PARAMETERS]] = self._addresses(loss_kernel(loss, output, dtype))
        kernel = activation_kernel if output.elementwise else mixing_kernel
        field = f.OUT_ACT if output.elementwise else f.OUT_NON_ELEMENTWISE
        p[[field, f.OUT_PARAMETERS]] = self._addresses(kernel(output, dtype))
        frozen = net.some_frozen
        update = update_kernel(rule, settings.averaging, frozen, dtype)
        p[[f.UPDATE, f.UPDATE_PARAMETERS]] = self._addresses(update)
        names = tuple(settings.penalties)
        if names:
            p[f.PENALTY] = compiled_library(
                ("penalty", names, dtype),
                lambda module: write_penalty(module, dtype, "penalty", names),
            )["penalty"]
            scales = [strength / settings.total_weight for strength in settings.penalties.values()]
            self.numbers[f.SCALES : f.SCALES + len(scales)] = scales

    def _word_kernels(self) -> None:
        """Replace the products by those of words of two bfloat16, and allocate the words of W."""
        p = self.integers
        p[f.HAS_WORDS], p[f.FLOAT32_WEIGHTS] = 1, p[f.WEIGHTS]
        library = compiled_library("bfloat16", write_bfloat16_kernels, in_package=True)
        for field, name in enumerate(f.KERNELS[: f.SELECT_ROWS]):
            p[field] = library[name]
        p[f.ROW_WORDS], p[f.PAIR_WORDS] = library["row_words"], library["pair_words"]
        self._weight_words = WeightWords(self.net)
        self._weight_words.write_addresses(p)

    def _addresses(self, kernel: Kernel) -> tuple[int, int]:
        """The addresses of a kernel and of its parameters, which live as long as the plan."""
        self._kept_kernels.append(kernel)
        return kernel.addresses

    def _layers(self, rates: tuple[float, ...]) -> None:
        net, size = self.net, self.dtype.itemsize
        for layer in range(1, net.n_layers + 1):
            fields = self.layer(layer)
            n_in, n_out = net.widths[layer - 1], net.widths[layer]
            fields[f.N_IN], fields[f.N_OUT] = n_in, n_out
            fields[f.WEIGHT] = net.block(f"W{layer}").start * size
            fields[f.BIAS] = net.block(f"b{layer}").start * size if net.bias else -1
            if layer < net.n_layers:
                activation: Any = net.activations[layer]  # not None in a hidden layer
                kernel = activation_kernel(activation, str(self.dtype))
                fields[[f.ACT, f.PARAMETERS]] = self._addresses(kernel)
                rate = rates[layer - 1]
                fields[f.HAS_DROPOUT] = rate > 0
                fields[f.DROP_THRESHOLD] = round(rate * 2**32)
                self.numbers[f.DROP_FACTORS + layer] = 1 / (1 - rate)

    def layer(self, layer: int) -> np.ndarray:
        """The fields of layer l, counted from 1."""
        start = f.HEADER + (layer - 1) * f.FIELDS
        return self.integers[start : start + f.FIELDS]

    # -- workspace ------------------------------------------------------------------------

    @property
    def grad(self) -> np.ndarray:
        """The gradient, of shape (p,); allocated at the first access."""
        if self._grad is None:
            self._grad = aligned(int(self.integers[f.COUNT]), self.dtype)
            self.integers[f.GRAD] = address_of(self._grad)
            self.worker_states = []  # they hold copies of the addresses
            self.worker_state(0)
        return self._grad[: self.net.n_parameters]

    @property
    def has_parts(self) -> bool:
        """Whether the plan has gradients for batches that are divided into parts."""
        return len(self._part_grads) > 0

    def reserve(self, rows: int, *, training: bool = True) -> None:
        """Allocate what a batch of ``rows`` rows needs, with a gradient if it is for training."""
        if training:
            _ = self.grad  # allocated at the first access
        block = int(self.integers[f.BLOCK])
        parts = min(rows // block, int(self.integers[f.MAX_PARTS]))
        others = (parts - 1) * int(self.integers[f.COUNT])
        if others > len(self._part_grads):
            self._part_grads = aligned(others, self.dtype)
            self.integers[f.PART_GRADS] = address_of(self._part_grads)
            self.worker_states = []
        rows = max(min(rows, 2 * block), 1)
        if rows > self.rows:
            self.rows = -(-rows // self.lanes) * self.lanes
            self._allocate_workspace()
        self.worker_state(0)

    def _allocate_workspace(self) -> None:
        # Free the old arrays first: memory may not hold both.
        self.worker_states = []
        self._workspace = None
        self._workspace = Workspace(self.net, self.rows, words=self.words, sparse=self.sparse)
        self._workspace.write_addresses(self.integers)

    def use_rows(self, *, sparse: bool) -> None:
        """Make the workspace one for dense or for sparse rows; nothing to do if it is one."""
        if sparse == self.sparse:
            return
        self.sparse = sparse
        if sparse:
            library = sparse_library(str(self.dtype))
            for field, name in enumerate(f.SPARSE_KERNELS, f.PANEL_START):
                self.integers[field] = library[name]
        # What a worker's plan says of the rows is written when rows are gathered; ``predict``
        # gathers dense rows and writes nothing.
        self.integers[f.COLUMNS] = 0
        self._allocate_workspace()
        self.worker_state(0)

    @property
    def workspace(self) -> np.ndarray:
        """The memory of worker 0's workspace; its content before a step changes no result."""
        assert self._workspace is not None
        return self._workspace.array

    def worker_state(self, worker: int) -> WorkerState:
        """The state of one worker; the calling thread is worker 0 where there is only one."""
        assert self._workspace is not None
        while len(self.worker_states) <= worker:
            self.worker_states.append(WorkerState(self, len(self.worker_states), self._workspace))
        return self.worker_states[worker]


def sparse_library(dtype: str) -> Library:
    """The kernels for sparse rows, which a process compiles or loads when it has such rows."""
    return compiled_library(
        ("sparse", dtype), lambda module: write_sparse_kernels(module, dtype), in_package=True
    )


def write_fixed_kernels(module: Any, dtype: str) -> None:
    """Write the kernels that every network of that dtype uses."""
    write_gemm_kernels(module, dtype)
    write_row_kernels(module, dtype)
    write_parameter_kernels(module, dtype)
    write_barrier(module, dtype)
