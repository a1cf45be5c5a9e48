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


UNDECIDED = (
    "it is undecided whether there is a signal: the loss of the portfolio, as a share of that of a "
    "constant, is {} on rows it has not seen, but few rows with large losses make up most of these "
    "means; try test=0.4, or the logarithm of the target where it is above 0"
)


def verdicts(constant, linear, linear_against_constant="no different", loss=0.97):
    found = [
        Comparison(verdict, "log loss", 0.0, 1.0, 0.0, 9.0, 2.0, 0, 10)
        for verdict in (constant, linear, linear_against_constant)
    ]
    return Verdicts(*found, held_out_loss=loss)


@pytest.mark.parametrize(
    ("found", "quality", "advice"),
    [
        (verdicts("better", "no different"), "fast", []),
        (verdicts("no different", "no different", "better"), "fast", []),
        (Verdicts(), "fast", []),
        (verdicts("better", "worse"), "default", [LINEAR.format("quality='best', or ")]),
        (verdicts("better", "worse"), "best", [LINEAR.format("")]),
        (verdicts("no different", "no different"), "best", [NO_SIGNAL]),
        (verdicts(*["no different"] * 3, loss=0.02), "best", [UNDECIDED.format("0.02")]),
        (verdicts(*["no different"] * 3, loss=322.0), "best", [UNDECIDED.format("322.00")]),
    ],
)
def test_advice(found, quality, advice):
    assert portfolio_advice(found, quality) == advice
