"""Shows the work: derivations as text, LaTeX and page; the gradient lens."""

from deltarule.explain.derivation import Derivation, Remainder
from deltarule.explain.explanation import Explanation, explain
from deltarule.explain.subject import Column, Names, StepTaken, Subject
from deltarule.explain.subjects import subject_of

__all__ = [
    "Column",
    "Derivation",
    "Explanation",
    "Names",
    "Remainder",
    "StepTaken",
    "Subject",
    "explain",
    "subject_of",
]
