"""Small portfolios for tests: four configurations, trained for a few epochs."""

from __future__ import annotations

import dataclasses

from deltarule.tabular import intervals, portfolio_fit
from deltarule.tabular.portfolio import Configuration, fit_portfolio, make_plan
from deltarule.tabular.portfolio import fit as fitting

# Of several encodings one each.
FEW = (
    Configuration("linear", "standard", learning_rate=1e-2, epochs=4),
    Configuration("silu", "robust", (6,), "silu", epochs=4),
    Configuration("quantile", "quantile_normal", (4,), epochs=4, random_features=3),
    Configuration("bins", "piecewise_linear", (4,), epochs=4),
)


def train_few_configurations(monkeypatch, configurations=FEW):
    """Make fit_table train these on all folds; return a list of fit_portfolio's arguments."""
    calls = []

    def plan(*arguments):
        return dataclasses.replace(make_plan(*arguments), first_folds=0)

    def fit(typed, *arguments, **options):
        calls.append((typed, arguments, options))
        return fit_portfolio(typed, *arguments, **options, configurations=configurations)

    monkeypatch.setattr(portfolio_fit, "fit_portfolio", fit)
    monkeypatch.setattr(intervals, "_CONFIGURATIONS", FEW[:1])
    monkeypatch.setattr(fitting, "make_plan", plan)
    return calls
