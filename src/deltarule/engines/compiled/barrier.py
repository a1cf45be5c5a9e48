"""How the members of a team wait for each other: a counter, and a number of meetings.

Whoever comes last sets the counter back and raises the number; the others look at that until
it changes. It takes a fraction of a microsecond when all come at once, where a lock of
the operating system takes ten or more. Who waits longer lets others have the processor.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from typing import Any

from llvmlite import ir

from deltarule.engines.compiled.ir_builder import I64, Code
from deltarule.engines.compiled.plan_layout import ARRIVED, CALLED_OFF, MEETINGS
from deltarule.engines.compiled.target import is_x86

__all__ = ["write_meeting", "yield_address"]

# Looks before the processor is given away: some 20 µs. A step that is worth sharing has no longer
# waits unless a member has lost its processor.
_LOOKS = 1000


def write_meeting(module: Any, dtype: Any) -> None:
    """``meet(words, members, yield)``; 0 for a function to yield only looks on."""
    code = Code(module, "meet", 3, dtype)
    words, workers, yields = code.args
    b, one = code.b, code.whole(1)

    def at(word: int) -> Any:
        return b.inttoptr(code.sum(words, code.whole(8 * word)), I64.as_pointer())

    def look(word: int) -> Any:
        return b.load_atomic(at(word), ordering="acquire", align=8, typ=I64)

    before = look(MEETINGS)
    arrived = b.atomic_rmw("add", at(ARRIVED), one, "acq_rel")
    last = b.icmp_signed("==", b.add(arrived, one), workers)
    with b.if_then(last):
        b.store_atomic(code.whole(0), at(ARRIVED), ordering="monotonic", align=8)
        b.store_atomic(b.add(before, one), at(MEETINGS), ordering="release", align=8)
        code.done()
    waiting, over = (code.function.append_basic_block() for _ in range(2))
    start = b.block
    b.branch(waiting)
    b.position_at_end(waiting)
    looks = b.phi(I64)
    looks.add_incoming(code.whole(0), start)
    _pause(code)
    patient = b.icmp_signed(">", looks, code.whole(_LOOKS))
    can = b.icmp_signed("!=", yields, code.whole(0))
    with b.if_then(b.and_(patient, can)):
        kind = ir.FunctionType(ir.IntType(32), [])
        b.call(b.inttoptr(yields, kind.as_pointer()), [])
    held = b.icmp_signed("!=", look(MEETINGS), before)
    off = b.icmp_signed("!=", look(CALLED_OFF), code.whole(0))
    looks.add_incoming(b.add(looks, one), b.block)
    b.cbranch(b.or_(held, off), over, waiting)
    b.position_at_end(over)
    code.done()


def _pause(code: Code) -> None:
    """Tell the processor that this is a wait, where there is a word for it."""
    if is_x86():
        kind = ir.FunctionType(ir.VoidType(), [])
        name = "llvm.x86.sse2.pause"
        function = code.module.globals.get(name) or ir.Function(code.module, kind, name)
        code.b.call(function, [])


@functools.cache
def yield_address() -> int:
    """The system's function that lets others have the processor, or 0."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "win32":
            function = ctypes.WinDLL("kernel32").SwitchToThread
        else:
            function = ctypes.CDLL(None).sched_yield
        return int(ctypes.cast(function, ctypes.c_void_p).value or 0)
    return 0
