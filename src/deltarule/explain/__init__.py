"""Shows the work: derivations as text, LaTeX and page; the gradient lens.

The package can be called: ``deltarule.explain(…)`` is :func:`deltarule.explain.explain`, since one
name stands for both and whoever imports the package gets it under that name.

- ``subject.py``: what is explained; ``subjects.py``, ``subject_sources.py``, ``columns.py``: from
  models, estimators, tables and steps of training to it.
- ``figures.py``: the numbers of the passes; ``symbols.py``, ``numbers.py``: how they are written.
- ``derivation.py``: a number and its parts; ``forward_nodes.py``, ``backward_nodes.py``,
  ``mean_nodes.py``, ``update_nodes.py``, ``column_nodes.py``: the mathematics, made into such
  trees, each on the one before it.
- ``written.py``, ``rulebook.py``: formulas and update rules, written down.
- ``plaintext.py``, ``tex.py``, ``htmltree.py``: trees as text, LaTeX and HTML.
- ``explanation.py``, ``overview.py``, ``agreement.py``: the door, the whole, the engine beside it.
- ``gradient_lens.py``, ``measures.py``, ``advice.py``, ``lens_views.py``, ``taken.py``: the lens;
  ``attributions.py``, ``path_integral.py``: what is owed to each input.
- ``spread.py``: which are looked at, where all would be too many.
- ``page/``: the page.
"""

import inspect
import sys
from types import ModuleType
from typing import Any

from deltarule.explain.agreement import Agreement
from deltarule.explain.attributions import Attributions, attribute
from deltarule.explain.derivation import Derivation, Remainder
from deltarule.explain.explanation import Explanation, explain
from deltarule.explain.lens.advice import Advice
from deltarule.explain.lens.gradient_lens import GradientLens, HardRow, lens
from deltarule.explain.lens.measures import LayerMeasures, Measured
from deltarule.explain.rulebook import RecordedRule, record_rule
from deltarule.explain.subject import Column, Names, StepTaken, Subject
from deltarule.explain.subject_builders import subject_of

__all__ = [
    "Advice",
    "Agreement",
    "Attributions",
    "Column",
    "Derivation",
    "Explanation",
    "GradientLens",
    "HardRow",
    "LayerMeasures",
    "Measured",
    "Names",
    "RecordedRule",
    "Remainder",
    "StepTaken",
    "Subject",
    "attribute",
    "explain",
    "lens",
    "record_rule",
    "subject_of",
]


class _Callable(ModuleType):
    """A package that is called like the function of its name."""

    __signature__ = inspect.signature(explain)

    def __call__(self, *args: Any, **options: Any) -> Explanation:
        return explain(*args, **options)


sys.modules[__name__].__class__ = _Callable
