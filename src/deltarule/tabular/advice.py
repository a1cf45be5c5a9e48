"""What to try where a network is no better than its baselines."""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.errors import Message, Parameter
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.verdicts import Verdicts

__all__ = ["advice", "portfolio_advice"]

# The training loss is called much smaller than that on other rows below this fraction of it, if
# the two differ by more than the second number, in losses of the constant.
_MUCH_SMALLER = 0.75
_LEAST_GAP = 0.05
# A loss further from that of the constant, as a share of it, is no lack of signal. Where it is no
# different by the t test, few rows with large losses decide.
_NO_SIGNAL = (0.5, 2.0)


def advice(
    verdicts: Verdicts,
    settings: TableSettings,
    *,
    ended_at_last_epoch: bool = False,
    merged_levels: int = 0,
    findings: Sequence[str] = (),
) -> list[str]:
    """Return what to try, from the gap between the losses on training rows and on others.

    There is no advice for a network that is better than the constant and not worse than the
    linear baseline. ``merged_levels`` is the number of rare levels of categories that share an
    input of the network. ``findings`` are the kinds of the serious findings on its training, such
    as ``"dead"``: they may be why it has learned little, and are then to be followed first.
    """
    constant, linear = verdicts.constant, verdicts.linear
    other_loss, training_loss = verdicts.held_out_loss, verdicts.training_loss
    if constant is None or linear is None or other_loss is None or training_loss is None:
        return []
    if constant.verdict == "better" and linear.verdict != "worse":
        return []
    gap = other_loss - training_loss
    overfitted = training_loss < _MUCH_SMALLER * other_loss and gap > _LEAST_GAP
    figures = (
        f"its loss, as a share of that of a constant, is {training_loss:.2f} on the training rows "
        f"and {other_loss:.2f} on rows it has not seen"
    )
    if findings and not overfitted:
        text = f"the network underfits: {figures}; a finding on its training may be why "
        text += f"({', '.join(findings)}): follow that one first, and train again"
        return [text]
    linear_finds = verdicts.linear_against_constant
    if linear.verdict != "worse" and constant.verdict != "better":
        no_signal = linear_finds is None or linear_finds.verdict != "better"
        if no_signal and not overfitted:
            if not _NO_SIGNAL[0] < other_loss < _NO_SIGNAL[1]:
                return [_undecided(f"of the network, {figures}")]
            text = f"no signal was found: of the network, {figures}, and the linear baseline is "
            text += "not better than the constant either; other columns or more rows are needed"
            return [text]
    if overfitted:
        return [Message(f"the network overfits: {figures}; try ", *_smaller(settings))]
    if merged_levels and linear.verdict == "worse":
        return [
            Message(
                f"the network underfits: {figures}; {merged_levels:,} rare levels of categories "
                "share an input of the network, and the linear baseline sees each of them; try ",
                Parameter("min_level_rows", 1),
            )
        ]
    return [
        Message(f"the network underfits: {figures}; try ", *_larger(settings, ended_at_last_epoch))
    ]


def portfolio_advice(verdicts: Verdicts, quality: str) -> list[str]:
    """Return what to try where a portfolio of a quality is no better than its baselines."""
    constant, linear = verdicts.constant, verdicts.linear
    if constant is None or linear is None or verdicts.held_out_loss is None:
        return []
    if linear.verdict == "worse":
        more = () if quality == "best" else (Parameter("quality", "best"), ", or ")
        alone = ("the linear network alone, ", Parameter("layers", "none"))
        return [Message("the linear baseline is better; try ", *more, *alone)]
    finds = verdicts.linear_against_constant
    if constant.verdict != "better" and (finds is None or finds.verdict != "better"):
        text = "the loss of the portfolio, as a share of that of a constant, is "
        text += f"{verdicts.held_out_loss:.2f} on rows it has not seen"
        if not _NO_SIGNAL[0] < verdicts.held_out_loss < _NO_SIGNAL[1]:
            return [_undecided(text)]
        text = f"no signal was found: {text}, and the linear baseline is "
        text += "not better than the constant either; other columns or more rows are needed"
        return [text]
    return []


def _undecided(figures: str) -> Message:
    """Return advice where the losses of few rows are so large that a mean says little."""
    text = f"it is undecided whether there is a signal: {figures}, but few rows with large losses "
    return Message(
        f"{text}make up most of these means; try ",
        Parameter("test", 0.4),
        ", or the logarithm of the target where it is above 0",
    )


def _smaller(settings: TableSettings) -> list[str | Parameter]:
    """Return what makes a network fit its training rows less."""
    tries: list[str | Parameter] = [Parameter("l2", max(10 * settings.l2, 1.0)), ", "]
    if settings.layers:
        if not settings.dropout:
            tries += [Parameter("dropout", 0.2), ", "]
        width = max(max(settings.layers) // 4, 2)
        smaller = width < max(settings.layers) or len(settings.layers) > 1
        if smaller:
            tries += ["smaller layers such as ", Parameter("layers", width), ", "]
    return [*tries[:-1], ", or more rows"]


def _larger(settings: TableSettings, ended_at_last_epoch: bool) -> list[str | Parameter]:
    """Return what makes a network fit its training rows better."""
    tries: list[str | Parameter] = []
    if ended_at_last_epoch:
        tries += [Parameter("epochs", 4 * settings.epochs), ", "]
        tries += [Parameter("learning_rate", 2 * settings.learning_rate), ", "]
    if settings.l2 > 0:
        tries += [Parameter("l2", settings.l2 / 10), ", "]
    if settings.dropout > 0:
        tries += [Parameter("dropout", 0.0), ", "]
    if settings.layers:
        tries += ["wider layers, or ", Parameter("layers", "none"), " where the linear one is best"]
    elif not tries:
        tries += ["hidden layers such as ", Parameter("layers", 32)]
    return tries if settings.layers or tries[-1] != ", " else tries[:-1]
