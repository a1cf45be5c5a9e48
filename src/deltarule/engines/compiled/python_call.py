"""How Python calls an entry point: a function of CPython's C interface, written in LLVM IR.

It does what Numba's own wrappers do (convert the arguments, release the lock of the interpreter,
convert the result), so that a process that finds compiled code in the cache need not import Numba,
which takes longer than most predictions. It reads arrays as NumPy's C interface documents them, by
the fields of ``PyArrayObject``; :func:`check_array_layout` compares these with the attributes of
an array before the first call.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from deltarule.engines.compiled.entry_table import ARRAYS, POSITIONS, EntryPoint
from deltarule.engines.compiled.ir_builder import DOUBLE, I64, KernelBuilder
from deltarule.errors import MissingDependency

__all__ = ["LAYOUT", "add_symbols", "check_array_layout", "python_function", "write_call"]

# Offsets in bytes from the start of an object; its type is the last field of its head.
_HEAD = object.__basicsize__
_TYPE = _HEAD - 8
_DATA, _NDIM, _SHAPE, _DESCR, _FLAGS = (_HEAD + offset for offset in (0, 8, 16, 40, 48))
# And from the start of its dtype: the mark of the byte order, and the number of the type.
_BYTE_ORDER, _TYPE_NUMBER = _HEAD + 10, _HEAD + 12
# C-contiguous and aligned.
_USABLE = 0x0001 | 0x0100
_FLOAT32, _FLOAT64, _INT64 = (np.dtype(kind).num for kind in (np.float32, np.float64, np.int64))

LAYOUT = (_HEAD, _FLOAT32, _FLOAT64, _INT64)
"""What the written functions depend on beside this file."""

_FASTCALL = 0x0080
_I8, _I32 = ir.IntType(8), ir.IntType(32)
# CPython's functions, with the types of results and arguments; objects are their addresses.
_API = {
    "PyLong_AsLongLong": (I64, [I64]),
    "PyLong_FromLongLong": (I64, [I64]),
    "PyFloat_AsDouble": (DOUBLE, [I64]),
    "PyFloat_FromDouble": (I64, [DOUBLE]),
    "PyBool_FromLong": (I64, [I64]),
    "PyErr_Occurred": (I64, []),
    "PyErr_BadArgument": (_I32, []),
    "PyErr_BadInternalCall": (ir.VoidType(), []),
    "PyEval_SaveThread": (I64, []),
    "PyEval_RestoreThread": (ir.VoidType(), [I64]),
}


@functools.cache
def add_symbols() -> None:
    """Tell LLVM where CPython's functions are in this process."""
    for name in _API:
        address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
        llvm.add_symbol(name, address)


@functools.cache
def check_array_layout() -> None:
    """Compare the fields of two arrays with their attributes.

    Raises
    ------
    MissingDependency
        If they disagree: this NumPy lays out its arrays in another way.
    """

    def at(address: int, kind: Any) -> int:
        return int(kind.from_address(address).value)

    for array in (np.zeros((3, 5), np.float32), np.zeros(7, np.int64)[::2]):
        start = id(array)
        descr = at(start + _DESCR, ctypes.c_int64)
        shape = at(start + _SHAPE, ctypes.c_int64)
        found = (
            at(start + _TYPE, ctypes.c_int64),
            at(start + _DATA, ctypes.c_int64),
            at(start + _NDIM, ctypes.c_int32),
            descr,
            at(start + _FLAGS, ctypes.c_int32) & _USABLE,
        )
        attributes = (id(type(array)), array.ctypes.data, array.ndim, id(array.dtype))
        if found == (*attributes, 0x0100 | int(array.flags.c_contiguous)):
            sizes = [at(shape + 8 * axis, ctypes.c_int64) for axis in range(array.ndim)]
            order, number = chr(at(descr + _BYTE_ORDER, ctypes.c_uint8)), array.dtype.num
            if (sizes, order) == (list(array.shape), "=") and number == at(
                descr + _TYPE_NUMBER, ctypes.c_int32
            ):
                continue
        raise MissingDependency(
            f"compiled code cannot read the arrays of NumPy {np.__version__}, whose layout in "
            "memory it does not know; install another version of numpy, or use the reference "
            "engine, which computes the same"
        )


def python_function(name: str, address: int) -> Callable[..., Any]:
    """The function of Python whose code, written by :func:`write_call`, is at an address."""
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = (
        ctypes.py_object,
        [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p],
    )
    method = _Method(name.encode(), address, _FASTCALL, None)
    _METHODS.append(method)
    # The type of arrays is the function's ``self``, which its code compares with.
    function: Callable[..., Any] = make(ctypes.addressof(method), np.ndarray, None)
    return function


class _Method(ctypes.Structure):
    """``PyMethodDef``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


# CPython reads them as long as the functions live.
_METHODS: list[_Method] = []


def write_call(module: Any, name: str, native: str, entry: EntryPoint) -> None:
    """Write the function ``name`` that converts its arguments and calls ``native``.

    ``native`` has Numba's calling convention: it returns a status, 0 or −2 (no result) if it
    succeeded, and takes the address for its result, that for an exception, and its arguments.
    A wrong number or type of arguments is a TypeError.
    """
    call = _Call(module, name)
    values: list[Any] = []
    call.fail_unless(call.b.icmp_signed("==", call.args[2], call.int64(len(entry.arguments))))
    for place, kind in enumerate(entry.arguments):
        given = call.load(call.sum(call.args[1], call.int64(8 * place)), I64, 8)
        if kind in ARRAYS:
            values += call.array(given, kind)
        else:
            values.append(call.number(given, kind))
    thread = call.api("PyEval_SaveThread") if entry.releases_gil else None
    status, result = call.native(native, entry.result, values)
    if entry.releases_gil:
        call.api("PyEval_RestoreThread", thread)
    b = call.b
    done = b.or_(
        b.icmp_signed("==", status, ir.Constant(_I32, 0)),
        b.icmp_signed("==", status, ir.Constant(_I32, -2)),
    )
    call.fail_unless(done, "PyErr_BadInternalCall")
    call.ret(call.result(entry.result, result))


class _Call(KernelBuilder):
    """Writes a function of (self, the address of the arguments, their number)."""

    def __init__(self, module: Any, name: str) -> None:
        super().__init__(module, name, 3, np.float64)

    def api(self, name: str, *values: Any) -> Any:
        """Call a function of CPython."""
        result, arguments = _API[name]
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(result, arguments), name)
        return self.b.call(function, values)

    def fail_unless(self, condition: Any, error: str = "PyErr_BadArgument") -> None:
        """Return NULL, after a call that sets the error, if the condition is false."""
        with self.b.if_then(self.b.not_(condition), likely=False):
            if error:
                self.api(error)
            self.ret()

    def number(self, given: Any, kind: str) -> Any:
        """A Python number as int64 or float64."""
        b = self.b
        if kind == "float64":
            value = self.api("PyFloat_AsDouble", given)
            suspect = b.fcmp_ordered("==", value, ir.Constant(DOUBLE, -1.0))
        else:
            value = self.api("PyLong_AsLongLong", given)
            suspect = b.icmp_signed("==", value, self.int64(-1))
        # −1 is also what these functions return after an error.
        with b.if_then(suspect, likely=False):
            raised = self.api("PyErr_Occurred")
            self.fail_unless(b.icmp_signed("==", raised, self.int64(0)), error="")
        return value

    def array(self, given: Any, kind: str) -> list[Any]:
        """The address, bytes of an element, rows and columns of an array."""
        b = self.b

        def field(start: Any, offset: int, kind: Any = I64) -> Any:
            size = kind.width // 8
            return self.load(self.sum(start, self.int64(offset)), kind, size)

        def is_int(value: Any, number: int) -> Any:
            return b.icmp_signed("==", value, ir.Constant(_I32, number))

        self.fail_unless(b.icmp_signed("==", field(given, _TYPE), self.args[0]))
        ndim, flags = field(given, _NDIM, _I32), field(given, _FLAGS, _I32)
        descr, shape = field(given, _DESCR), field(given, _SHAPE)
        number = field(descr, _TYPE_NUMBER, _I32)
        native = b.icmp_signed("==", field(descr, _BYTE_ORDER, _I8), ir.Constant(_I8, ord("=")))
        usable = is_int(b.and_(flags, ir.Constant(_I32, _USABLE)), _USABLE)
        vector = is_int(ndim, 1)
        single = is_int(number, _FLOAT32)
        numbers = b.or_(single, is_int(number, _FLOAT64))
        right = is_int(number, _INT64) if kind == POSITIONS else numbers
        fits = functools.reduce(b.or_, [is_int(ndim, n) for n in ARRAYS[kind]])
        for condition in (native, usable, fits, right):
            self.fail_unless(condition)
        size = self.int64(8)
        if kind != POSITIONS:
            size = b.select(single, self.int64(4), size)
        first = field(shape, 0)
        last = self.sum(shape, b.select(vector, self.int64(0), self.int64(8)))
        rows = b.select(vector, self.int64(1), first)
        return [field(given, _DATA), size, rows, self.load(last, I64, 8)]

    def native(self, name: str, result: str, values: list[Any]) -> tuple[Any, Any]:
        """Call compiled code; its status, and its result as it stands in memory."""
        b = self.b
        kind = {"float64": DOUBLE, "boolean": _I8}.get(result, I64)
        # The exception is the address of a constant, which nothing here reads.
        places = []
        for one in (kind, I64):
            with b.goto_entry_block():
                places.append(b.alloca(one))
        addresses = [b.ptrtoint(place, I64) for place in places]
        types = [I64, I64, *(value.type for value in values)]
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(_I32, types), name)
        status = b.call(function, [*addresses, *values])
        return status, self.load(addresses[0], kind, 1 if kind is _I8 else 8)

    def result(self, kind: str, value: Any) -> Any:
        """The result as an object; 0 of a function that has none."""
        if kind == "float64":
            return self.api("PyFloat_FromDouble", value)
        if kind == "boolean":
            return self.api("PyBool_FromLong", self.b.zext(value, I64))
        return self.api("PyLong_FromLongLong", self.int64(0) if kind == "void" else value)
