"""The forward pass of a network as C: tables of weights, activations, and one loop per layer."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from deltarule.errors import InputError
from deltarule.export.c_encoders import constant_table
from deltarule.export.c_names import Names
from deltarule.export.subject import ExportedNetwork
from deltarule.maths import Activation
from deltarule.maths.printing import SymbolicFormula, print_c99, symbolic_activation

__all__ = ["DECODERS", "NetworkCode", "network_code"]

# Eight sums at a time stay in registers, of a microcontroller too; the weights of one input to them
# lie side by side, so that compilers use vector instructions without changing the order of a sum.
_LAYER = """\
/* z = W a + b, with the weights of an input one after another. */
static inline void dr_layer(const float *w, const float *b, const float *a, int n_in, int n_out,
                            float *z) {
  int j = 0;
  for (; j + 8 <= n_out; j += 8) {
    float sums[8];
    for (int i = 0; i < 8; ++i) sums[i] = START;
    for (int k = 0; k < n_in; ++k)
      for (int i = 0; i < 8; ++i) sums[i] += a[k] * w[k * n_out + j + i];
    for (int i = 0; i < 8; ++i) z[j + i] = sums[i];
  }
  for (; j < n_out; ++j) {
    float sum = LAST;
    for (int k = 0; k < n_in; ++k) sum += a[k] * w[k * n_out + j];
    z[j] = sum;
  }
}
"""
DECODERS = {
    "outputs": [],
    "clipped": ["for (int j = 0; j < {n}; ++j) out[j] = dr_clip(out[j]);"],
    "number": ["out[0] = (float)((double)out[0] * {std} + {mean});"],
    "two": ["out[1] = out[0];", "out[0] = 1 - out[1];"],
    "two_clipped": ["out[1] = dr_clip(out[0]);", "out[0] = 1 - out[1];"],
    "normalised": ["dr_normalise(out, {n});"],
}
"""The statements that make predictions of the outputs of a network, by the kind of decoding."""

_CLIP = """\
static float dr_clip(float a) { return a < 0 ? 0 : a > 1 ? 1 : a; }
"""
_NORMALISE = """\
/* Divided by the largest first, so that the sum cannot underflow. */
static void dr_normalise(float *p, int n) {
  float largest = 0, total = 0;
  for (int j = 0; j < n; ++j) largest = p[j] > largest ? p[j] : largest;
  for (int j = 0; j < n; ++j) total += p[j] = largest > 0 ? p[j] / largest : 1;
  for (int j = 0; j < n; ++j) p[j] /= total;
}
"""


@dataclasses.dataclass(frozen=True)
class NetworkCode:
    """The forward pass as C.

    Attributes
    ----------
    formulas : str
        Functions of the activations, with the includes that they need.
    tables : str
        Weights and biases.
    functions : str
        Helper functions of layers and outputs.
    forward : list of str
        The statements from ``x``, the inputs, to ``out``, the outputs a^L.
    """

    formulas: str
    tables: str
    functions: str
    forward: list[str]


def network_code(subject: ExportedNetwork) -> NetworkCode:
    """Return the forward pass of a network as C.

    Raises
    ------
    InputError
        If an activation has no symbolic form, or a parameter is not a finite number of float32.
    """
    net = subject.net
    W, b = net.unpack(net.check_theta(subject.theta))
    activations = [g for g in net.activations if g is not None]
    formulas, calls = _activation_calls(activations)
    tables, forward = [], list[str]()
    widths = net.widths
    # The outputs of hidden layers alternate between two buffers of the size that they need.
    for name, hidden in (("u", widths[1:-1:2]), ("v", widths[2:-1:2])):
        if hidden:
            forward.append(f"float {name}[{max(hidden)}];")
    source = "x"
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(widths), start=1):
        name = f"W{layer}"
        tables.append(constant_table(name, _in_float32(name, W[layer].T), "float"))
        arguments = [name]
        if net.bias:
            tables.append(constant_table(f"b{layer}", _in_float32(f"b{layer}", b[layer]), "float"))
            arguments.append(f"b{layer}")
        goal = "out" if layer == net.n_layers else "uv"[(layer - 1) % 2]
        forward.append(f"dr_layer({', '.join(arguments)}, {source}, {n_in}, {n_out}, {goal});")
        forward += [line.format(n=n_out, a=goal) for line in calls[layer - 1]]
        source = goal
    layer_function = _LAYER.replace("START", "b[j + i]").replace("LAST", "b[j]")
    if not net.bias:
        layer_function = _LAYER.replace("START", "0").replace("LAST", "0")
        layer_function = layer_function.replace("const float *b, ", "")
    decoders = {"clipped": _CLIP, "two_clipped": _CLIP, "normalised": _NORMALISE}
    functions = [layer_function, decoders.get(subject.decoding, "")]
    return NetworkCode(
        print_c99(formulas, "float", static=True),
        "\n".join(tables),
        "\n".join(filter(None, functions)),
        forward,
    )


def _activation_calls(
    activations: list[Activation],
) -> tuple[dict[str, SymbolicFormula], list[list[str]]]:
    """Return the formulas of activations by the names of functions, and each layer's statements."""
    names, known = Names(), dict[Activation, str]()
    formulas: dict[str, SymbolicFormula] = {}
    calls: list[list[str]] = []
    for g in activations:
        formula = symbolic_activation(g).value
        if formula.result().op == "variable":  # a = z
            calls.append([])
            continue
        if g not in known:
            known[g] = f"act_{names.new(g.name, 'own')}"
            formulas[known[g]] = formula
        if formula.elementwise:
            calls.append([f"for (int j = 0; j < {{n}}; ++j) {{a}}[j] = {known[g]}({{a}}[j]);"])
        else:
            calls.append([f"{known[g]}({{a}}, {{n}}, {{a}});"])
    return formulas, calls


def _in_float32(name: str, values: np.ndarray) -> np.ndarray:
    """Return parameters in float32; refuse those that are not finite there."""
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        where = tuple(bad[0])
        raise InputError(
            f"{name} has the parameter {values[where]}",
            parameter="model",
            expected="finite numbers below 3.4e38, in which C computes",
        )
    return found
