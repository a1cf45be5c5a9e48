"""What JAX compiles: passes, updates and whole epochs, from the formulas of ``maths``.

A program belongs to a :class:`Structure`: the network, the rule, and which of the other settings
are in use. Their values are arguments (:func:`numbers_of`), as learning rates, rows and seeds are,
so that another value needs no compilation.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.engines.base import EngineSettings
from deltarule.engines.jax.devices import Placement, types_of
from deltarule.maths import Network
from deltarule.maths.backprop import cost_and_grad, forward_pass, loss_terms
from deltarule.maths.dropout import drop_threshold, key_words, mask_words
from deltarule.maths.namespace import ArrayNamespace
from deltarule.maths.network import bound_formulas
from deltarule.maths.pass_results import Gradients
from deltarule.maths.penalties import penalty_terms
from deltarule.optimizers import Rule, StepInfo, average
from deltarule.optimizers.clipping import clipped

__all__ = ["Numbers", "Program", "Rows", "State", "Structure", "numbers_of", "program"]

State = dict[str, Any]
"""What a step changes: ``theta``, ``t``, the rule's ``slots`` by name, and perhaps ``mean``."""

Numbers = dict[str, Any]
"""The values of the settings, as arrays."""

_LARGEST_WORD = 2**32 - 1


class Structure(NamedTuple):
    """Everything that a program is compiled for, except shapes of data."""

    net: Network
    rule: Rule
    penalties: tuple[str, ...]
    clips: bool
    averaging: float | None
    drops: tuple[bool, ...]
    bfloat16: bool

    @classmethod
    def of(
        cls, net: Network, settings: EngineSettings, rates: tuple[float, ...], bfloat16: bool
    ) -> Structure:
        """The structure of a network with settings and the dropout rates of its hidden layers."""
        return cls(
            net,
            settings.rule,  # type: ignore[arg-type]
            tuple(settings.penalties),
            settings.clip_norm is not None,
            settings.averaging,
            tuple(rate > 0 for rate in rates),
            bfloat16,
        )


class Rows(NamedTuple):
    """The rows of the steps of one call, on the device.

    Step i takes the rows ``order[i · B : (i + 1) · B]`` of X, Y, w and ``labels``. Of these B,
    ``size`` are rows of the step, fewer in the last step of ``n_rows`` rows; the others are
    padding, which counts with weight 0. The first step is step ``first_step`` of the training.
    w is divided by the number of rows of a step if ``divides`` is 1.
    """

    X: Any
    Y: Any
    w: Any
    labels: Any
    order: Any
    n_rows: Any
    size: Any
    first_step: Any
    divides: Any


def numbers_of(net: Network, settings: EngineSettings, rates: tuple[float, ...]) -> Numbers:
    """The values of the settings in the network's dtype, as arrays of NumPy."""
    real = net.dtype.type
    numbers: Numbers = {
        "total_weight": real(settings.total_weight),
        "clip_norm": real(settings.clip_norm or 0.0),
        "strengths": {name: real(value) for name, value in settings.penalties.items()},
        "key": key_words(settings.seed),
        # A rate of almost 1 drops all but one of 2^32 words here, and that one too elsewhere.
        "thresholds": np.array(
            [min(drop_threshold(rate), _LARGEST_WORD) for rate in rates], np.uint32
        ),
        "factors": np.array([1 / (1 - rate) for rate in rates], net.dtype),
        "is_weight": net.is_weight,
    }
    if net.some_frozen:
        numbers["frozen"] = net.frozen
    return numbers


class _Namespace(ArrayNamespace):
    """``jax.numpy`` with products in the full precision of the dtype, or from bfloat16 factors."""

    def __init__(self, dtype: Any, bfloat16: bool) -> None:
        super().__init__(jnp, dtype)
        self._bfloat16 = bfloat16

    def product(self, a: Any, b: Any) -> Any:
        """a b. From factors rounded to bfloat16, the products are added up in float32."""
        if self._bfloat16:
            a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
            return jnp.matmul(a, b, preferred_element_type=jnp.float32)
        # "highest", since a GPU and a TPU otherwise take fewer digits than float32 has.
        return jnp.matmul(a, b, precision="highest")


class Program:
    """The compiled functions of one structure on one placement.

    ``steps`` and ``apply`` reuse the memory of the state that they are given.
    """

    def __init__(self, structure: Structure, where: Placement) -> None:
        self.structure, self._where = structure, where
        net = structure.net
        self._xp = _Namespace(net.dtype, structure.bfloat16)
        bound_formulas(net, self._xp)  # before a trace, whose values must not remain in its cache
        self._update = structure.rule.bind(self._xp)
        self.predict = jax.jit(self._predict)
        self.cost = jax.jit(self._cost)
        self.gradient = jax.jit(self._gradient)
        self.input_gradient = jax.jit(self._input_gradient)
        self.sample_gradients = jax.jit(self._sample_gradients)
        self.penalty = jax.jit(self._penalty_cost)
        self.apply = jax.jit(self._apply, donate_argnums=0)
        self.steps = jax.jit(self._steps, donate_argnums=0, static_argnames="batch_size")
        # One state, settings, order and weights for each network; X and Y are shared.
        rows = Rows(None, None, 0, None, 0, n_rows=0, size=None, first_step=0, divides=None)
        values: dict[str, int | None] = dict.fromkeys(
            ("total_weight", "clip_norm", "strengths", "key"), 0
        )
        values |= {"thresholds": 0, "factors": 0, "is_weight": None}
        if net.some_frozen:
            values["frozen"] = None
        self.steps_of_many = jax.jit(
            lambda states, numbers, rows_, rates, costs, first, end, batch_size: jax.vmap(
                functools.partial(self._steps, batch_size=batch_size),
                in_axes=(0, values, rows, 0, 0, None, None),
            )(states, numbers, rows_, rates, costs, first, end),
            donate_argnums=0,
            static_argnames="batch_size",
        )

    # -- passes -------------------------------------------------------------------------

    def _predict(self, theta: Any, X: Any) -> Any:
        X = self._where.split_rows(X)
        return forward_pass(self._xp, self.structure.net, theta, X).output

    def _cost(self, theta: Any, X: Any, Y: Any, w: Any) -> Any:
        X, Y, w = map(self._where.split_rows, (X, Y, w))
        net = self.structure.net
        loss, _ = loss_terms(self._xp, net, forward_pass(self._xp, net, theta, X), Y)
        return jnp.where(w == 0, 0, w * loss).sum()

    def _masks(self, numbers: Numbers, labels: Any, step: Any) -> list[Any] | None:
        """The dropout masks of a step: item l for layer l, None for a layer without dropout."""
        net, drops = self.structure.net, self.structure.drops
        if not any(drops):
            return None
        masks: list[Any] = [None] * (net.n_layers + 1)
        for layer, drop in enumerate(drops, start=1):
            if drop:
                width = net.widths[layer]
                words = mask_words(jnp, labels, width, numbers["key"], step, layer)
                kept = words >= numbers["thresholds"][layer - 1]
                masks[layer] = jnp.where(kept, numbers["factors"][layer - 1], 0)
        return masks

    def _passes(
        self, numbers: Numbers, theta: Any, X: Any, Y: Any, w: Any, labels: Any, step: Any
    ) -> Gradients:
        X, Y, w, labels = map(self._where.split_rows, (X, Y, w, labels))
        masks = self._masks(numbers, labels, step)
        return cost_and_grad(self._xp, self.structure.net, theta, X, Y, w, masks, True)

    def _gradient(self, numbers: Numbers, theta: Any, *batch: Any) -> tuple[Any, Any]:
        """(cost, gradient) of a batch: X, Y, w, the numbers of the rows, the step."""
        got = self._passes(numbers, theta, *batch)
        parts = [
            (got.dW if block.kind == "W" else got.db)[block.layer].reshape(-1)
            for block in self.structure.net.blocks
        ]
        return got.cost, self._where.gather(jnp.concatenate(parts))

    def _input_gradient(self, numbers: Numbers, theta: Any, *batch: Any) -> Any:
        return self._passes(numbers, theta, *batch).dX

    def _sample_gradients(self, numbers: Numbers, theta: Any, *batch: Any) -> Any:
        got = self._passes(numbers, theta, *batch)
        parts = []
        for block in self.structure.net.blocks:
            part = got.delta[block.layer]
            if block.kind == "W":
                part = part[:, :, None] * got.A[block.layer - 1][:, None, :]
            parts.append(part.reshape(len(part), -1))
        return jnp.concatenate(parts, axis=1)

    # -- updates ------------------------------------------------------------------------

    def _penalty(self, numbers: Numbers, theta: Any) -> tuple[Any, Any]:
        return penalty_terms(
            self._xp, numbers["strengths"], theta, numbers["is_weight"], numbers["total_weight"]
        )

    def _penalty_cost(self, numbers: Numbers, theta: Any) -> Any:
        return self._penalty(numbers, theta)[0]

    def _apply(self, state: State, numbers: Numbers, grad: Any, rate: Any, cost: Any) -> State:
        """The state after one update by a gradient of the data term."""
        structure, theta = self.structure, state["theta"]
        if structure.penalties:
            penalty, slope = self._penalty(numbers, theta)
            grad, cost = grad + slope, cost + penalty
        frozen = numbers.get("frozen")
        if frozen is not None:
            grad = jnp.where(frozen, 0, grad)
        if structure.clips:
            grad, _ = clipped(jnp, grad, numbers["clip_norm"])
        t = state["t"] + 1
        info = StepInfo(t=t, learning_rate=rate, cost=cost, weights=numbers["is_weight"])
        new, slots = self._update(theta, grad, state["slots"], info)
        # The gradient of a frozen parameter is 0, but weight decay would still change it.
        new = new if frozen is None else jnp.where(frozen, theta, new)
        after = {"theta": new, "t": t, "slots": slots}
        if structure.averaging is not None:
            after["mean"] = average(self._xp, state["mean"], new, structure.averaging, t)
        return after

    def _steps(
        self,
        state: State,
        numbers: Numbers,
        rows: Rows,
        rates: Any,
        costs: Any,
        first: Any,
        end: Any,
        batch_size: int,
    ) -> tuple[State, Any]:
        """The steps from ``first`` to ``end``, and ``costs`` with theirs.

        A step whose cost or gradient is not finite changes nothing, has a cost that is not finite,
        and is the last.
        """
        place = jnp.arange(batch_size, dtype=jnp.int32)

        def step(carry: tuple[Any, State, Any, Any]) -> tuple[Any, State, Any, Any]:
            index, before, found, _ = carry
            start = index * batch_size
            taken = jax.lax.dynamic_slice(rows.order, (start,), (batch_size,))
            X, Y, w, labels = (part.at[taken].get(mode="clip") for part in rows[:4])
            count = jnp.minimum(rows.size, rows.n_rows - index * rows.size)
            share = jnp.where(rows.divides == 1, count, 1).astype(w.dtype)
            w = jnp.where(place < count, w / share, 0)
            number = rows.first_step + index
            cost, grad = self._gradient(
                numbers, before["theta"], X, Y, w, labels, number.astype(jnp.uint32)
            )
            usable = jnp.isfinite(cost) & jnp.isfinite(grad).all()
            after = self._apply(before, numbers, grad, rates[index], cost)
            kept = jax.tree.map(lambda new, old: jnp.where(usable, new, old), after, before)
            reported = jnp.where(usable | ~jnp.isfinite(cost), cost, jnp.nan)
            return index + 1, kept, found.at[index].set(reported), usable

        def goes_on(carry: tuple[Any, State, Any, Any]) -> Any:
            return (carry[0] < end) & carry[3]

        # A loop whose bounds are data, where a scan would be compiled for each number of steps.
        _, state, costs, _ = jax.lax.while_loop(
            goes_on, step, (first, state, costs, jnp.asarray(True))
        )
        return state, costs


@functools.lru_cache(maxsize=32)
def program(structure: Structure, where: Placement) -> Program:
    """The program of a structure, with what it has compiled so far."""
    with types_of(structure.net.dtype):
        return Program(structure, where)
