"""Shows the work: derivations as text, LaTeX and page; the gradient lens."""

from deltarule.explain.advice import Advice
from deltarule.explain.attributions import Attributions, attribute
from deltarule.explain.gradient_lens import GradientLens, HardRow, lens
from deltarule.explain.measures import LayerMeasures, Measured
from deltarule.explain.subject import Column, Names, StepTaken, Subject

__all__ = [
    "Advice",
    "Attributions",
    "Column",
    "GradientLens",
    "HardRow",
    "LayerMeasures",
    "Measured",
    "Names",
    "StepTaken",
    "Subject",
    "attribute",
    "lens",
]
