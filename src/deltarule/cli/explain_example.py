"""``deltarule explain --example NAME``: a built-in example in the place of a model and data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deltarule.cli.explain_question import Explained, Question
from deltarule.cli.explain_selections import listed
from deltarule.errors import InputError, Message, Parameter
from deltarule.explain import Explanation

__all__ = ["EXAMPLES", "explain_example"]


def _article() -> Explained:
    """The network of "Backpropagation by hand", with its two samples and its first step."""
    from deltarule.explain.page.tour import WEIGHT, example_states, example_subject

    subject = example_subject()
    assert subject.step is not None  # the example has a step
    title = (
        "the article's example, 'Backpropagation by hand': a network 3-3-3 and two samples, with a "
        "first step of gradient descent"
    )
    facts: dict[str, Any] = {"example": "article", "step": 1, "rows": len(subject.X)}
    return Explained(
        Explanation(subject),
        None,
        title,
        facts | {"in_batch": True},
        page_title="Backpropagation by hand",
        states=tuple(example_states()),
        start={"sample": 0, "selected": WEIGHT},
    )


EXAMPLES: dict[str, Callable[[], Explained]] = {"article": _article}
"""What makes each example, by name."""


def explain_example(question: Question) -> Explained:
    """Return the example that a question names, with the row that it asks for.

    Raises
    ------
    InputError
        If there is no such example or row, or something is given that belongs to a model's table.
    """
    assert question.example is not None
    if question.example not in EXAMPLES:
        expected = f"the name of an example, {listed(list(EXAMPLES))}"
        raise InputError(parameter="example", given=question.example, expected=expected)
    _refuse_table(question)
    explained = EXAMPLES[question.example]()
    assert explained.explanation is not None
    n = len(explained.explanation.subject.X)
    if question.row is None:
        return explained
    if not 1 <= question.row <= n:
        expected = f"a row of the example, from 1 to {n}"
        raise InputError(parameter="row", given=question.row, expected=expected)
    return explained.of_sample(question.row - 1, row=question.row)


def _refuse_table(question: Question) -> None:
    """Refuse arguments and options that are about a model or its table."""
    own = Message(Parameter("example"), " brings its own network and rows")
    if question.model is not None:
        raise InputError(
            Message("MODEL was given with ", Parameter("example"), ": ", str(question.model)),
            parameter="example",
            given=question.example,
            expected="one of the two",
            hint=Message(own, "; leave MODEL and DATA out"),
        )
    given: Sequence[tuple[str, Any]] = (
        ("member", question.member),
        ("step", question.step),
        ("rows", question.rows),
        ("table", question.table),
        ("sql", question.sql),
        ("image", question.image),
        *question.reading.items(),
    )
    for name, value in given:
        if value not in (None, 0, "", ()):
            raise InputError(
                Message(Parameter(name), " was given with ", Parameter("example")),
                parameter=name,
                given=value,
                expected="a model, whose table it is about",
                hint=Message(own, "; leave ", Parameter(name), " out"),
            )
