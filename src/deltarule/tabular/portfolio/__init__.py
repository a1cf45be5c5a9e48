"""Portfolios: networks of several configurations, each trained on every fold, and averaged."""

from deltarule.tabular.portfolio.configurations import Configuration, default_configurations
from deltarule.tabular.portfolio.fit import Member, Portfolio, TargetScale, fit_portfolio

__all__ = [
    "Configuration",
    "Member",
    "Portfolio",
    "TargetScale",
    "default_configurations",
    "fit_portfolio",
]
