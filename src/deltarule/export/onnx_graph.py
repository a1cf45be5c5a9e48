"""An ONNX graph that is built node by node, with Python's operators on its values.

Nothing here needs the library ``onnx`` before :meth:`Graph.model`, which makes the file's content.
Opset 21, ai.onnx.ml 4 and IR version 10 are read by runtimes since the middle of 2024. Operators
are those for which ONNX Runtime has kernels in float64 and float32.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule._version import __version__
from deltarule.errors import InputError, MissingDependency
from deltarule.maths.symbolic import COMPARISONS, Operators

__all__ = [
    "DIGEST",
    "IR_VERSION",
    "ML_OPSET",
    "OPSET",
    "Graph",
    "GraphValue",
    "content_digest",
    "import_onnx",
]

OPSET, ML_OPSET, IR_VERSION = 21, 4, 10
DIGEST = "deltarule.sha256"
"""The entry of the metadata with the digest of all else."""
# The largest message that protocol buffers hold.
_MOST_BYTES = 2**31 - 1

_OPERATORS = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "negative": "Neg",
    "abs": "Abs",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "sqrt": "Sqrt",
    "sign": "Sign",
    "rint": "Round",
    "sin": "Sin",
    "floor": "Floor",
    "minimum": "Min",
    "maximum": "Max",
    "where": "Where",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "equal": "Equal",
}
"""The operations of formulas, and of encoders, that are one operator."""


def import_onnx() -> Any:
    """Return the library ``onnx``.

    Raises
    ------
    MissingDependency
        If it, or ``onnxruntime``, which tests what is exported, cannot be imported.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401  # that it is there is known before any work is done
    except ImportError as error:
        raise MissingDependency(
            f"the export to ONNX needs onnx and onnxruntime, which cannot be imported ({error})",
            expected="both",
            hint="install deltarule[onnx]",
        ) from error
    return onnx


@dataclasses.dataclass(frozen=True, eq=False)
class GraphValue(Operators):
    """A value of a graph: an input, a constant, or what a node computes.

    Attributes
    ----------
    namespace : Graph
    name : str
    dtype : str
        NumPy's name of the type of its elements; ``"str"`` for text.
    """

    namespace: Graph
    name: str
    dtype: str


class Graph:
    """An ONNX graph under construction; equal nodes and equal constants are made once.

    ``apply`` takes the operations by the names that formulas have for them, with plain numbers as
    operands too; ``node`` any operator.

    Examples
    --------
    >>> graph = Graph()
    >>> x = graph.input("x", "float64", ("N", 2), "")
    >>> y = graph.apply("exp", 2 * x)
    >>> (graph.apply("exp", 2 * x).name, [op for op, *_ in graph.nodes]) == (y.name, ["Mul", "Exp"])
    True
    """

    def __init__(self) -> None:
        self.inputs: list[tuple[GraphValue, tuple[str | int, ...], str]] = []
        self.outputs: list[tuple[str, GraphValue, tuple[str | int, ...], str]] = []
        self.nodes: list[tuple[str, str, tuple[str, ...], tuple[str, ...], dict[str, Any]]] = []
        self.constants: dict[str, np.ndarray] = {}
        self._names: set[str] = set()
        self._made: dict[Any, tuple[GraphValue, ...]] = {}

    def _new_name(self, stem: str) -> str:
        """Return a name that nothing has, columns of a table among them."""
        number = len(self._names)
        while (name := f"{stem}_{number}") in self._names:
            number += 1
        self._names.add(name)
        return name

    def input(self, name: str, dtype: str, shape: tuple[str | int, ...], doc: str) -> GraphValue:
        """Return an input of that name."""
        self._names.add(name)
        value = GraphValue(self, name, dtype)
        self.inputs.append((value, shape, doc))
        return value

    def output(self, name: str, value: GraphValue, shape: tuple[str | int, ...], doc: str) -> str:
        """Make a value an output; return its name, with ``_`` added where an input has it."""
        while name in self._names:
            name += "_"
        self._names.add(name)
        copied = GraphValue(self, name, value.dtype)
        self.nodes.append(("Identity", "", (value.name,), (name,), {}))
        self.outputs.append((name, copied, shape, doc))
        return name

    def constant(self, values: Any, dtype: Any = None) -> GraphValue:
        """Return a constant: a number or an array, of text too."""
        array = np.asarray(values, dtype=dtype)
        if array.dtype.kind in "OU":
            array = array.astype(object)
            key: Any = ("constant", array.shape, tuple(array.ravel().tolist()))
        else:
            key = ("constant", array.dtype.name, array.shape, array.tobytes())
        if key not in self._made:
            kind = "str" if array.dtype == object else array.dtype.name
            value = GraphValue(self, self._new_name("constant"), kind)
            self.constants[value.name] = array
            self._made[key] = (value,)
        return self._made[key][0]

    def node(
        self,
        op: str,
        *operands: GraphValue,
        dtype: str | Sequence[str] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> Any:
        """Return what an operator gives: one value, or several if ``dtype`` has several types.

        ``dtype`` is that of the first operand unless given.
        """
        names = tuple(operand.name for operand in operands)
        key = (op, domain, names, tuple((k, repr(v)) for k, v in attributes.items()))
        if key not in self._made:
            one = operands[0].dtype if dtype is None else dtype
            types = [one] if isinstance(one, str) else one
            made = tuple(GraphValue(self, self._new_name(op.lower()), each) for each in types)
            self.nodes.append((op, domain, names, tuple(each.name for each in made), attributes))
            self._made[key] = made
        found = self._made[key]
        return found[0] if dtype is None or isinstance(dtype, str) else found

    def apply(self, op: str, *operands: Any) -> GraphValue:
        """Return what an operation of formulas gives; numbers have the type of the others."""
        numbers = [each.dtype for each in operands if isinstance(each, GraphValue)]
        kind = next((each for each in numbers if each != "bool"), "float64")
        values = [
            each if isinstance(each, GraphValue) else self.constant(each, kind) for each in operands
        ]
        if op == "cos":  # which runtimes of 2024 do not have in float64
            half = self.apply("sin", values[0] / 2)
            return 1 - 2 * (half * half)
        if op == "not_equal":
            return self.node("Not", self.apply("equal", *values), dtype="bool")
        result = "bool" if op in COMPARISONS else kind
        found: GraphValue = self.node(_OPERATORS[op], *values, dtype=result)
        return found

    def cast(self, value: GraphValue, dtype: Any) -> GraphValue:
        """Return a value in another type; itself if it has it."""
        name = np.dtype(dtype).name
        if value.dtype == name:
            return value
        found: GraphValue = self.node("Cast", value, dtype=name, to=name)
        return found

    def columns(self, value: GraphValue, columns: Sequence[int], width: int) -> GraphValue:
        """Return these columns of a matrix of ``width`` columns; itself if they are all."""
        if list(columns) == list(range(width)):
            return value
        found: GraphValue = self.node("Gather", value, self.constant(columns, np.int64), axis=1)
        return found

    def reduce(self, op: str, value: GraphValue, axis: int, keep: bool = True) -> GraphValue:
        """Return ``ReduceSum``, ``ReduceMax`` or ``ReduceMean`` along an axis."""
        found: GraphValue = self.node(
            op, value, self.constant([axis], np.int64), keepdims=int(keep)
        )
        return found

    def model(self, title: str, metadata: Mapping[str, str]) -> bytes:
        """Return the content of an ONNX file, as its library's checker accepts it.

        Its metadata have a digest of all else, as :func:`content_digest` computes it.

        Raises
        ------
        MissingDependency
            If ``onnx`` or ``onnxruntime`` is not installed.
        InputError
            If it would be larger than 2 GiB.
        """
        onnx = import_onnx()
        size = sum(array.nbytes for array in self.constants.values())
        if size > _MOST_BYTES - 2**20:
            raise InputError(
                f"the parameters take {size / 2**30:.1f} GiB",
                expected="less than the 2 GiB that an ONNX file holds",
                hint="export a smaller model",
            )
        helper, types = onnx.helper, _types(onnx)

        def info(name: str, value: GraphValue, shape: Sequence[str | int], doc: str) -> Any:
            return helper.make_tensor_value_info(name, types[value.dtype], shape, doc)

        nodes = [
            helper.make_node(
                op,
                list(names),
                list(results),
                domain=domain,
                **{k: types[v] if k == "to" else v for k, v in attributes.items()},
            )
            for op, domain, names, results, attributes in self.nodes
        ]
        used = {name for _, _, names, *_ in self.nodes for name in names}
        graph = helper.make_graph(
            nodes,
            "deltarule",
            [info(value.name, value, shape, doc) for value, shape, doc in self.inputs],
            [info(name, value, shape, doc) for name, value, shape, doc in self.outputs],
            [
                onnx.numpy_helper.from_array(array, name)
                for name, array in self.constants.items()
                if name in used
            ],
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="deltarule",
            producer_version=__version__,
            doc_string=title,
        )
        helper.set_model_props(model, dict(metadata))
        # JSON, as all of them.
        model.metadata_props.add(key=DIGEST, value=f'"{content_digest(model)}"')
        onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content


def content_digest(model: Any) -> str:
    """Return a SHA-256 of what an ONNX model holds, but for its entry of this digest.

    It covers the graph with its constants, the operator sets, the producer and the other metadata,
    in whatever order these are; a file that is read and written again has the same. It does not
    see through another form of the same content, such as a constant that was stored as raw bytes
    and is stored as a list of numbers.

    Parameters
    ----------
    model : onnx.ModelProto
    """
    entries = [(each.key, each.value) for each in model.metadata_props]
    # Its metadata are changed for a moment, since the constants may be too large for a copy.
    _set_metadata(model, sorted(each for each in entries if each[0] != DIGEST))
    digest = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    _set_metadata(model, entries)
    return digest


def _set_metadata(model: Any, entries: Sequence[tuple[str, str]]) -> None:
    del model.metadata_props[:]
    for key, value in entries:
        model.metadata_props.add(key=key, value=value)


def _types(onnx: Any) -> dict[str, int]:
    """Return ONNX's numbers of the types of elements, by NumPy's names."""
    kinds = onnx.TensorProto
    return {
        "float64": kinds.DOUBLE,
        "float32": kinds.FLOAT,
        "int64": kinds.INT64,
        "bool": kinds.BOOL,
        "str": kinds.STRING,
    }
