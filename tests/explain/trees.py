"""Walks derivation trees and recombines every derivation from its parts."""

import math

import numpy as np

from deltarule.explain import Derivation
from deltarule.maths.backprop import compute_trace


def per_sample(e):
    """∂C_i/∂z, ∂C_i/∂θ and ∂C_i/∂x of an explanation's rows, by the reference mathematics."""
    own = e.subject
    return compute_trace(own.net, own.theta, own.X, own.Y, own.w, True, own.masks).per_sample


def walk(node, depth=100):
    """Yield a derivation and all below it."""
    yield node
    if depth > 0:
        for index in range(node.n_parts):
            yield from walk(node.part(index), depth - 1)


def scale_of(node):
    """The size of the terms of a derivation, to which its rounding error is relative."""
    sizes = [abs(float(value)) for value in node.part_values]
    if node.kind == "sum":
        return max(math.fsum(sizes) if all(map(math.isfinite, sizes)) else math.inf, 1e-300)
    return max(abs(node.value), 1e-300)


def faults(node, tolerance=1e-12, depth=100, seen=None):
    """Describe every derivation that differs from its parts combined, and every wrong part value.

    To the last leaf, or ``depth`` levels down. With a set ``seen``, which may be shared by trees of
    one explanation, a derivation of the same quantity from the same numbers is followed once: most
    of a tree is repeated, as each term of δ needs all that follows.
    """
    assert isinstance(node, Derivation)
    if seen is not None:
        numbers = np.asarray([node.value, *node.part_values], dtype=float)
        own = node.mark.key, node.kind, node.law, numbers.tobytes()
        if own in seen:
            return []
        seen.add(own)
    out = []
    parts = [node.part(index) for index in range(node.n_parts)]
    again = node.recombined([part.value for part in parts])
    if not _same(again, node.value, tolerance * scale_of(node)):
        out.append(f"{node.mark.key}: {node.value!r}, from its parts {again!r}")
    for index, (part, value) in enumerate(zip(parts, node.part_values, strict=True)):
        if not _same(part.value, float(value), tolerance * max(abs(float(value)), 1e-300)):
            out.append(f"{node.mark.key}, part {index}: {part.value!r} for {value!r}")
        out += faults(part, tolerance, depth - 1, seen) if depth else []
    return out


def _same(x, y, allowed):
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y or abs(x - y) <= allowed
