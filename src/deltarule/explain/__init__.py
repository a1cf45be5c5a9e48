"""Shows the work: derivations as text, LaTeX and page; the gradient lens."""

from deltarule.explain.subject import Column, Names, StepTaken, Subject

__all__ = ["Column", "Names", "StepTaken", "Subject"]
