"""What a portfolio is advised where a baseline is as good."""

import pytest

from deltarule.tabular.advice import portfolio_advice
from deltarule.tabular.verdict import Comparison
from deltarule.tabular.verdicts import Verdicts

LINEAR = "the linear baseline is better; try {}the linear network alone, layers='none'"
NO_SIGNAL = (
    "no signal was found: the loss of the portfolio, as a share of that of a constant, is 0.97 on "
    "rows it has not seen, and the linear baseline is not better than the constant either; other "
    "columns or more rows are needed"
)


def verdicts(constant, linear, linear_against_constant="no different"):
    found = [
        Comparison(verdict, "log loss", 0.0, 1.0, 0.0, 9.0, 2.0, 0, 10)
        for verdict in (constant, linear, linear_against_constant)
    ]
    return Verdicts(*found, held_out_loss=0.97)


@pytest.mark.parametrize(
    ("found", "quality", "advice"),
    [
        (verdicts("better", "no different"), "fast", []),
        (verdicts("no different", "no different", "better"), "fast", []),
        (Verdicts(), "fast", []),
        (verdicts("better", "worse"), "default", [LINEAR.format("quality='best', or ")]),
        (verdicts("better", "worse"), "best", [LINEAR.format("")]),
        (verdicts("no different", "no different"), "best", [NO_SIGNAL]),
    ],
)
def test_advice(found, quality, advice):
    assert portfolio_advice(found, quality) == advice
