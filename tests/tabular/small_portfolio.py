"""Small portfolios for tests: four configurations, trained for a few epochs."""

from __future__ import annotations

from deltarule.tabular import portfolio_fit
from deltarule.tabular.portfolio import Configuration, fit_portfolio

# Of each encoding of numbers one.
FEW = (
    Configuration("linear", "standard", learning_rate=1e-2, epochs=4),
    Configuration("silu", "robust", (6,), "silu", epochs=4),
    Configuration("quantile", "quantile_normal", (4,), epochs=4),
    Configuration("bins", "piecewise_linear", (4,), epochs=4),
)


def train_few_configurations(monkeypatch):
    """Make fit_table train FEW; return a list that gets what fit_portfolio is called with."""
    calls = []

    def fit(typed, *arguments, **options):
        calls.append((typed, arguments, options))
        return fit_portfolio(typed, *arguments, **options, configurations=FEW)

    monkeypatch.setattr(portfolio_fit, "fit_portfolio", fit)
    return calls
