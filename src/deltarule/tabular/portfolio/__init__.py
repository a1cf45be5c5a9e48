"""Portfolios: networks of several configurations, each trained on every fold, and averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names

if TYPE_CHECKING:
    from deltarule.tabular.portfolio.configurations import Configuration, default_configurations
    from deltarule.tabular.portfolio.fit import StoppedTooEarly, fit_portfolio
    from deltarule.tabular.portfolio.members import Member, Portfolio
    from deltarule.tabular.portfolio.plan import Plan, make_plan
    from deltarule.tabular.portfolio.target_scale import TargetScale

__all__ = [
    "Configuration",
    "Member",
    "Plan",
    "Portfolio",
    "StoppedTooEarly",
    "TargetScale",
    "default_configurations",
    "fit_portfolio",
    "make_plan",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "configurations": "Configuration default_configurations",
        "fit": "StoppedTooEarly fit_portfolio",
        "members": "Member Portfolio",
        "plan": "Plan make_plan",
        "target_scale": "TargetScale",
    },
)
