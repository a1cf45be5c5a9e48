"""Steps of many networks at once: one program takes those of all, by ``jax.vmap``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.engines.base import EngineGroup, Epoch
from deltarule.engines.jax.devices import types_of
from deltarule.engines.jax.engine import JaxBfloat16Engine, JaxEngine, Pace, to_the_failure
from deltarule.engines.jax.program import Rows, State

__all__ = ["Group"]

# How often a network that waits for the others looks whether it is asked to stop, in seconds.
_POLL_SECONDS = 0.1


class _Stack:
    """The states and numbers of networks, each array with one more axis at the front.

    There may be more places than members: programs exist for powers of 2.
    """

    def __init__(self, members: list[_Member]) -> None:
        self.members = members
        places = 1 << (len(members) - 1).bit_length()
        filled = [*members, *[members[-1]] * (places - len(members))]
        self.state: State = _stacked([member._state for member in filled])
        self.numbers = _stacked([member._numbers for member in filled])
        for name in ("is_weight", "frozen"):
            if name in self.numbers:  # the same for all networks
                self.numbers[name] = members[0]._numbers[name]
        self.w = _stacked([member.rows_on_device[2] for member in filled])
        self.places = places

    def holds(self, members: list[_Member]) -> bool:
        """Whether these are the members, in their order, and nothing else has changed one."""
        return len(members) == len(self.members) and all(
            a is b and a.stack is self for a, b in zip(members, self.members, strict=True)
        )


def _stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


class _Request(NamedTuple):
    """The epoch of one network, which waits for the others."""

    member: _Member
    epoch: Epoch
    rows: Rows
    batch_size: int
    first: int

    def key(self) -> tuple[Any, ...]:
        """What networks must have in common for one program to take their steps."""
        member, rows = self.member, self.rows
        shared = id(rows.X), id(rows.Y), int(rows.size)
        return id(member._program), *shared, self.batch_size, self.first, self.epoch.steps


class Group(EngineGroup):
    """Networks that are trained in threads, and whose steps are taken together.

    An epoch of a network waits until all others that are in training ask for one too. Networks of
    one shape, with the same rows, number of steps and settings in use, then take the steps in one
    program. Values of settings, seeds, weights and orders of rows may differ.

    Parameters
    ----------
    engine : class
        JaxEngine, or JaxBfloat16Engine.
    total, workers : int
        The number of networks, and how many are in training at the same time.
    """

    def __init__(self, engine: type[JaxEngine], total: int, workers: int) -> None:
        self._member = _MemberBfloat16 if issubclass(engine, JaxBfloat16Engine) else _Member
        self._unfinished, self._workers = total, workers
        self._changed = threading.Condition()
        self._waiting: dict[_Member, _Request] = {}
        self._found: dict[_Member, np.ndarray | BaseException] = {}
        self._data: dict[tuple[int, int], tuple[Any, ...]] = {}
        self._pace = Pace()

    def engine(self) -> JaxEngine:
        return self._member(self)

    def leave(self) -> None:
        with self._changed:
            self._unfinished -= 1
            self._run_if_all_wait()

    def data(self, member: _Member, X: Any, Y: Any, w: Any) -> tuple[Any, ...]:
        """The rows on the device: X and Y once for all networks."""
        with self._changed:
            kept = self._data.get((id(X), id(Y)))
            if kept is None:
                # X and Y are kept too, so that no other array gets their number.
                kept = self._data[id(X), id(Y)] = (X, Y, member._on_device(X, Y, w))
        x, y, _, labels = kept[2]
        with types_of(member.net.dtype):
            return x, y, member._where.share(member._padded(w, len(Y), None, "w")), labels

    def costs(self, request: _Request) -> np.ndarray:
        """The costs of a network's steps; empty if it was asked to stop before they began."""
        member = request.member
        with self._changed:
            self._waiting[member] = request
            self._run_if_all_wait()
            while member not in self._found:
                self._changed.wait(_POLL_SECONDS)
                if member not in self._found and member.stop is not None and member.stop():
                    del self._waiting[member]
                    return np.zeros(0)
            found = self._found.pop(member)
        if isinstance(found, BaseException):
            raise found
        return found

    def _run_if_all_wait(self) -> None:
        if not self._waiting or len(self._waiting) < min(self._workers, self._unfinished):
            return
        requests: dict[tuple[Any, ...], list[_Request]] = {}
        for request in self._waiting.values():
            requests.setdefault(request.key(), []).append(request)
        self._waiting = {}
        for together in requests.values():
            # In the order in which the networks were made, so that states stay where they are.
            together.sort(key=lambda request: request.member.number)
            members = [request.member for request in together]
            try:
                with types_of(members[0].net.dtype):
                    found: Any = self._steps(together)
            except BaseException as error:  # noqa: BLE001  raised in the threads of the networks
                found = [error] * len(members)
            self._found.update(zip(members, found, strict=True))
        self._changed.notify_all()

    def _steps(self, requests: list[_Request]) -> list[np.ndarray]:
        """Take the steps of networks that have a program in common; returns their costs."""
        members = [request.member for request in requests]
        one, stack = requests[0], members[0].stack
        if stack is None or not stack.holds(members):
            stack = _Stack(members)
        last = [requests[-1]] * (stack.places - len(requests))
        filled = [*requests, *last]

        def each(name: str) -> np.ndarray:
            return np.stack([getattr(request.rows, name) for request in filled])

        rows = one.rows._replace(
            w=stack.w, order=each("order"), n_rows=each("n_rows"), first_step=each("first_step")
        )
        steps, dtype = one.epoch.steps, one.member.net.dtype
        rates = np.stack([np.asarray(r.epoch.rates[:steps], dtype) for r in filled])
        costs: Any = np.zeros_like(rates)
        index, stop = one.first, one.member.stop
        while index < steps and not (stop is not None and stop()):
            started = time.perf_counter()
            end = self._pace.end(index, steps)
            for member in members:  # its state is used up by the call
                member.stack = None
            stack.state, costs = one.member._program.steps_of_many(
                stack.state,
                stack.numbers,
                rows,
                rates,
                costs,
                np.int32(index),
                np.int32(end),
                batch_size=one.batch_size,
            )
            for place, member in enumerate(members):
                member.stack, member.place = stack, place
            costs = jax.block_until_ready(costs)
            self._pace.took(end - index, time.perf_counter() - started)
            index = end
        found = np.array(costs)[: len(members), one.first : index]
        return [to_the_failure(row) for row in found]


class _Member(JaxEngine):
    """The engine of one network of a group; between epochs its state may be a part of a stack."""

    _count: ClassVar[int] = 0

    def __init__(self, group: Group) -> None:
        super().__init__()
        self._group, self.stack, self.place = group, None, 0
        _Member._count += 1
        self.number = _Member._count

    stack: _Stack | None

    @property
    def rows_on_device(self) -> tuple[Any, ...]:
        """X, Y, w and row numbers on the device."""
        assert self._data is not None
        found: tuple[Any, ...] = self._data[1]
        return found

    @property
    def _state(self) -> State:
        if self.stack is not None:
            # Kept in the stack: a change, such as ``restore``, is what takes it out.
            with types_of(self.net.dtype):
                return jax.tree.map(lambda leaf: leaf[self.place], self.stack.state)
        return self._own

    @_state.setter
    def _state(self, state: State) -> None:
        self.stack, self._own = None, state

    @_state.deleter
    def _state(self) -> None:
        self.stack = None
        self.__dict__.pop("_own", None)

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__("_state" if name == "_own" else name)

    def load_data(self, X: Any, Y: np.ndarray, w: np.ndarray) -> None:
        self._data = None
        if isinstance(X, np.ndarray):
            self._data = ((X, Y, w), self._group.data(self, X, Y, w))

    def epoch(self, epoch: Epoch, first: int = 0) -> Iterator[np.ndarray]:
        if self.loaded_rows(epoch) is None:
            yield from super().epoch(epoch, first)
            return
        rows, size = self.epoch_rows(epoch)
        yield self._group.costs(_Request(self, epoch, rows, size, first))


class _MemberBfloat16(_Member, JaxBfloat16Engine):
    """The same with products of bfloat16 factors."""
