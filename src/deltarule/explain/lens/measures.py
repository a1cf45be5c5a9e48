"""The measurements of :mod:`deltarule.training.diagnosis.measures`, of a subject."""

from __future__ import annotations

from deltarule.explain.subject import Subject
from deltarule.training.diagnosis.measures import Measurements, measure_rows

__all__ = ["measure"]


def measure(subject: Subject) -> Measurements:
    """Measure every number of the lens at the subject's θ, except ``update_ratio``.

    At least one of the subject's weights must be above 0.

    Examples
    --------
    >>> from deltarule.maths import Network
    >>> net = Network([1, 1], activation=[])
    >>> subject = Subject.of_arrays(net, [0.0, 0.0], [[1.0], [1.0]], [[1.0], [3.0]])
    >>> (layer,) = measure(subject).layers  # the rows' gradients are (−2, −2) and (−6, −6)
    >>> round(layer.gradient_norm, 6), round(layer.snr, 6), round(layer.noise_scale, 6)
    (5.656854, 2.0, 0.25)
    """
    rows = (subject.X, subject.Y, subject.w)
    return measure_rows(subject.net, subject.theta, *rows, subject.masks_of)
