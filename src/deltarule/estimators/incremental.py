"""Continuation in ``partial_fit``: the current coefficients, and the optimizer's state."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.maths.own_memory import zeros
from deltarule.optimizers import Minimizer, Rule
from deltarule.training import History, TrainingResult

__all__ = ["MOST_RECORDS", "OptimizerMemory", "StartingTheta", "theta_from_coefficients"]

MOST_RECORDS = 256
"""The number of epochs of ``history_`` that the next ``partial_fit`` keeps."""

_BEST, _PARTIAL = "run.best", "run.partial"


@dataclasses.dataclass(frozen=True)
class OptimizerMemory:
    """The optimizer's state after a fit, and a digest of the coefficients it belongs to.

    The digest tells whether ``coefs_`` and ``intercepts_`` were changed after the fit.

    ``state`` is the engine's state, without θ unless the coefficients are an average of θ, and
    ``digest`` that of the coefficients. ``reason`` tells why the state cannot be used, or is empty.
    """

    net: Network
    rule: str
    state: dict[str, np.ndarray]
    digest: bytes
    reason: str = ""

    @classmethod
    def of(cls, result: TrainingResult, rule: Rule | Minimizer) -> OptimizerMemory:
        """Return the state after a training; an interrupted epoch is not resumed."""
        state = {k: v for k, v in result.state.items() if k not in (_BEST, _PARTIAL)}
        reason = ""
        if isinstance(rule, Minimizer):
            reason = f"{rule.name} carries nothing on"
        elif _BEST in result.state and not np.array_equal(
            state.get("mean", state["theta"]), result.theta
        ):
            reason = (
                f"coefs_ are those of epoch {result.best_epoch}, the best, and the optimizer's "
                f"memory was that of epoch {len(result.history)}, the last"
            )
        if reason:
            state = {}
        elif "mean" not in state:
            del state["theta"]
        else:
            del state["mean"]
        return cls(result.net, rule.name, state, _digest(result.theta), reason)

    def begin(
        self, net: Network, theta: np.ndarray, rule: Rule, averaging: bool, history: History
    ) -> tuple[TrainingResult, str]:
        """Return the result to resume from, and why the optimizer starts fresh, or ``""``."""
        averaged = "theta" in self.state
        reason = self.reason
        if not reason and rule.name != self.rule:
            reason = f"the solver was {self.rule}, and is {rule.name}"
        if not reason and _digest(theta) != self.digest:
            reason = "coefs_ or intercepts_ were changed"
        if not reason and net != self.net:
            reason = f"the network was {self.net!r}, and is {net!r}"
        if not reason and averaged and not averaging:
            reason = "averaging is off, and coefs_ are the average"
        state: dict[str, np.ndarray] = {}
        if not reason:
            state = {"theta": theta, **self.state}
            if averaging:
                state["mean"] = theta
        return (
            TrainingResult(
                net=net,
                theta=theta,
                history=history.continued(MOST_RECORDS),
                best_epoch=0,
                stopped="",
                seconds=0.0,
                engine="",
                state=state,
            ),
            reason,
        )

    def state_at(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """The optimizer's state with θ, or an empty dict if training did not end at this θ."""
        if self.reason or _digest(theta) != self.digest:
            return {}
        return {"theta": theta, **self.state}


class StartingTheta:
    """θ at the start of a fit, as :func:`deltarule.train` takes it: freed once the engine has it.

    Parameters
    ----------
    compute : callable
        Returns θ, the same at each call.
    theta : array of shape (p,), optional
        θ, if it is there already.
    """

    def __init__(self, compute: Callable[[], np.ndarray], theta: np.ndarray | None = None) -> None:
        self._compute = compute
        self._theta: np.ndarray | None = compute() if theta is None else theta

    @classmethod
    def drawn(
        cls, draw: Callable[[np.random.RandomState], np.ndarray], rng: np.random.RandomState
    ) -> StartingTheta:
        """θ drawn with a generator ; anew with a copy of the generator as it was before."""
        kept = copy.deepcopy(rng)
        theta = draw(rng)
        return cls(lambda: draw(copy.deepcopy(kept)), theta)

    @classmethod
    def current(cls, net: Network, coefs: Any, intercepts: Any) -> StartingTheta:
        """θ of an estimator's coefficients."""
        return cls(lambda: theta_from_coefficients(net, coefs, intercepts))

    def __call__(self) -> np.ndarray:
        theta, self._theta = self._theta, None
        return self._compute() if theta is None else theta


def _digest(theta: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(theta).data, digest_size=32).digest()


def theta_from_coefficients(net: Network, coefs: Any, intercepts: Any) -> np.ndarray:
    """Return θ, shape (p,), from ``coefs_`` and ``intercepts_``, which a user may have changed.

    Examples
    --------
    >>> net = Network([2, 1])
    >>> theta_from_coefficients(net, [np.array([[1], [2]])], [np.array([3])])
    array([1., 2., 3.])
    """
    theta = zeros(net.n_parameters, net.dtype)
    attributes = {"coefs_": (coefs, "W"), "intercepts_": (intercepts, "b")}
    for name, (arrays, kind) in attributes.items():
        blocks = [block for block in net.blocks if block.kind == kind]
        if not isinstance(arrays, Sequence | np.ndarray) or len(arrays) != len(blocks):
            count = len(arrays) if hasattr(arrays, "__len__") else repr(arrays)
            raise InputError(
                f"{name} holds {count} arrays; expected {len(blocks)}, one for each layer of "
                f"{_describe(net)}"
            )
        for index, (array, block) in enumerate(zip(arrays, blocks, strict=True)):
            block.of(theta)[...] = _check_array(f"{name}[{index}]", array, block.shape[::-1], net).T
    return theta


def _describe(net: Network) -> str:
    return (
        f"{net.n_inputs} features, hidden_layer_sizes={net.widths[1:-1]} and "
        f"{net.n_outputs} outputs; set such arrays, or call fit without warm_start to begin anew"
    )


def _check_array(name: str, array: Any, shape: tuple[int, ...], net: Network) -> np.ndarray:
    """Check one array, and convert it to the network's dtype."""
    try:
        value = np.asarray(array)
    except ValueError:  # lists of unequal lengths
        value = np.empty((), dtype=object)
    if value.dtype.kind not in "fiu":
        raise InputError(
            f"{name} has dtype {value.dtype}; expected an array of real numbers of shape {shape}"
        )
    if value.shape != shape:
        raise InputError(f"{name} has shape {value.shape}; expected {shape}, for {_describe(net)}")
    with np.errstate(over="ignore"):
        value = value.astype(net.dtype)
    finite = np.isfinite(value)
    if not finite.all():
        where = ", ".join(map(str, np.argwhere(~finite)[0]))
        raise InputError(
            f"{name}[{where}] is {float(np.asarray(array)[~finite][0])!r}; expected finite numbers "
            f"in the range of {net.dtype}; set others, or call fit to begin anew"
        )
    return value
