"""Derivations as text, LaTeX and page, and the gradient lens.

The package can be called: ``deltarule.explain(…)`` is :func:`deltarule.explain.explain`, because
both have the same name and importing the package binds that name to it. Likewise
``deltarule.explain.lens`` is the function, although a folder of that name exists; its modules are
imported by their full path.

- ``subject.py``: what is explained; ``subject_builders.py``, ``subject_sources.py`` and
  ``columns.py``: subjects from models, estimators, tables and steps of training.
- ``intermediates.py``: the numbers of both passes; ``symbols.py``, ``number_format.py``: how
  symbols and numbers are written.
- ``derivation.py``: a number and its parts; ``forward_derivations.py`` to ``update_derivations.py``
  build such trees, each class on the one before: forward pass, backward pass, means over samples,
  updates.
- ``formula_at_point.py``, ``recorded_rules.py``: formulas and rules as printable expressions.
- ``render/``: trees as text, LaTeX and HTML.
- ``explanation.py``, ``overview.py``, ``agreement.py``: the public class, its summary, and the
  comparison with the engine that trained.
- ``lens/``: the gradient lens; ``attributions.py``, ``path_integral.py``: input attributions;
  ``fast_passes.py``, ``subsample.py``: what these and the page share.
- ``page/``: the interactive page.
"""

import inspect
import sys
from types import ModuleType
from typing import Any

from deltarule.explain.agreement import Agreement
from deltarule.explain.attributions import Attributions, attribute
from deltarule.explain.derivation import Derivation, Remainder
from deltarule.explain.explanation import Explanation, explain
from deltarule.explain.lens.gradient_lens import GradientLens, HardRow, lens
from deltarule.explain.recorded_rules import RecordedRule, record_rule
from deltarule.explain.subject import InputColumn, Names, StepTaken, Subject
from deltarule.explain.subject_builders import subject_of
from deltarule.training.diagnosis.advice import Advice
from deltarule.training.diagnosis.measures import LayerMeasures, Measurements

__all__ = [
    "Advice",
    "Agreement",
    "Attributions",
    "Derivation",
    "Explanation",
    "GradientLens",
    "HardRow",
    "InputColumn",
    "LayerMeasures",
    "Measurements",
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


# Importing `lens/` bound that package to the name `lens` here, and the function imported from it
# replaced it. A package is bound only when it is first imported, so the name stays the function's.


class _CallablePackage(ModuleType):
    """A module that can be called like the function of the same name."""

    __signature__ = inspect.signature(explain)

    def __call__(self, *args: Any, **options: Any) -> Explanation:
        return explain(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
