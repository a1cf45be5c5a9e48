"""The barrier at which the workers of a call wait for each other.

It is a counter of arrivals and a generation number. The last worker to arrive resets the counter
and raises the generation; the others spin until the generation changes. This takes a fraction of a
microsecond if all arrive together, where a lock of the operating system takes ten or more. After
``_SPINS_BEFORE_YIELD`` polls a worker yields its processor at each poll. A worker also leaves the
barrier if the call is cancelled.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.ir_builder import I64, KernelBuilder
from deltarule.engines.compiled.plan_layout import ARRIVED, CANCELLED, GENERATION
from deltarule.engines.compiled.target import is_x86

__all__ = ["write_barrier", "yield_address"]

# Polls of the generation before the processor is yielded: about 20 µs. In a step that is split
# among threads, waits are shorter unless the operating system has paused a worker.
_SPINS_BEFORE_YIELD = 1000


def write_barrier(module: Any, dtype: Any) -> None:
    """``barrier_wait(barrier_address, workers, yield_address)``; yields only if that is not 0."""
    code = KernelBuilder(module, "barrier_wait", 3, dtype)
    barrier_address, workers, yield_function = code.args
    b, one = code.b, code.int64(1)

    def address(word: int) -> Any:
        return b.inttoptr(code.sum(barrier_address, code.int64(8 * word)), I64.as_pointer())

    def read(word: int) -> Any:
        return b.load_atomic(address(word), ordering="acquire", align=8, typ=I64)

    before = read(GENERATION)
    arrived = b.atomic_rmw("add", address(ARRIVED), one, "acq_rel")
    last = b.icmp_signed("==", b.add(arrived, one), workers)
    with b.if_then(last):
        b.store_atomic(code.int64(0), address(ARRIVED), ordering="monotonic", align=8)
        b.store_atomic(b.add(before, one), address(GENERATION), ordering="release", align=8)
        code.ret()
    waiting, leave = (code.function.append_basic_block() for _ in range(2))
    start = b.block
    b.branch(waiting)
    b.position_at_end(waiting)
    spins = b.phi(I64)
    spins.add_incoming(code.int64(0), start)
    _pause(code)
    long_wait = b.icmp_signed(">", spins, code.int64(_SPINS_BEFORE_YIELD))
    can_yield = b.icmp_signed("!=", yield_function, code.int64(0))
    with b.if_then(b.and_(long_wait, can_yield)):
        kind = ir.FunctionType(ir.IntType(32), [])
        b.call(b.inttoptr(yield_function, kind.as_pointer()), [])
    released = b.icmp_signed("!=", read(GENERATION), before)
    cancelled = b.icmp_signed("!=", read(CANCELLED), code.int64(0))
    spins.add_incoming(b.add(spins, one), b.block)
    b.cbranch(b.or_(released, cancelled), leave, waiting)
    b.position_at_end(leave)
    code.ret()


def _pause(code: KernelBuilder) -> None:
    """Write the processor's instruction for spin loops, where it has one."""
    if is_x86():
        kind = ir.FunctionType(ir.VoidType(), [])
        name = "llvm.x86.sse2.pause"
        function = code.module.globals.get(name) or ir.Function(code.module, kind, name)
        code.b.call(function, [])


@functools.cache
def yield_address() -> int:
    """The address of the system's function that yields the processor, or 0 if it has none."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            function = ctypes.WinDLL("kernel32").SwitchToThread
        else:
            function = ctypes.CDLL(None).sched_yield
        return int(ctypes.cast(function, ctypes.c_void_p).value or 0)
    return 0
