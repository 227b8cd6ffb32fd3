"""Whether a challenger takes the champion's place: a rule that is fixed before anything is judged. Pure.

A difference is that of the challenger from the champion, paired by subject, with a 95% interval. With
the margin M that was set beforehand, it says one of five things (`Verdict`):

- better: the whole interval is above 0;
- no worse: it is above -M;
- worse: it is below 0, and not above -M;
- unclear: none of these;
- too few: fewer than `FEWEST` subjects, whatever the interval.

On the frozen test set the challenger has to be no worse. What it has to gain is asked of the new people, and
where there are none, of the frozen set: "better" (`Asked.BETTER`) or, if one settles for that, "no worse".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from atml.formatting import plural
from atml.metrics import Interval

MARGIN = 0.02
"""What a challenger may lack of the champion on the frozen set where nobody names another margin."""

FEWEST = 6
"""Of five subjects who differ all in one direction the sign test has p 0.06: fewer decide nothing."""


class Asked(StrEnum):
    """What has to be shown on the new people."""

    BETTER = "better"
    NO_WORSE = "no-worse"


class Verdict(StrEnum):
    """What a difference says, given the margin."""

    BETTER = "better"
    NO_WORSE = "no worse"
    WORSE = "worse"
    UNCLEAR = "unclear"
    TOO_FEW = "too few"


class Outcome(StrEnum):
    """What comes of it. The champion stays in service unless the challenger is promoted."""

    PROMOTED = "promoted"
    KEPT = "kept"
    UNTOLD = "can't be told"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What the challenger has over the champion on one set of people: the mean and its 95% interval."""

    value: Interval
    subjects: int
    better: int | None = None
    """Subjects on whom the challenger is better; None for a figure that single subjects don't have."""
    worse: int | None = None

    def verdict(self, margin: float) -> Verdict:
        """Say what it shows.

        Example:
            >>> some = Difference(value=Interval(0.01, -0.01, 0.03), subjects=20)
            >>> some.verdict(0.02).value, some.verdict(0.005).value
            ('no worse', 'unclear')
        """
        if self.subjects < FEWEST:
            return Verdict.TOO_FEW
        if self.value.low > 0:
            return Verdict.BETTER
        if self.value.low > -margin:
            return Verdict.NO_WORSE
        return Verdict.WORSE if self.value.high < 0 else Verdict.UNCLEAR


@dataclass(frozen=True)
class Decision:
    """The outcome, and why in words."""

    outcome: Outcome
    reason: str


def decide(frozen: Difference, new: Difference | None, *, margin: float, asked: Asked) -> Decision:
    """Decide by the differences on the frozen test set and on new people, None where there are none.

    Example:
        >>> same = Difference(value=Interval(0.0, -0.01, 0.01), subjects=20)
        >>> gain = Difference(value=Interval(0.05, 0.02, 0.08), subjects=12)
        >>> decide(same, gain, margin=0.02, asked=Asked.BETTER).reason
        'no worse on the frozen set, better on new people'
        >>> decide(same, None, margin=0.02, asked=Asked.BETTER).outcome.value
        'kept'
    """
    places = [("the frozen set", frozen), *([("new people", new)] if new is not None else [])]
    verdicts = [(place, one, one.verdict(margin)) for place, one in places]
    for place, _, verdict in verdicts:
        if verdict == Verdict.WORSE:
            return Decision(Outcome.KEPT, f"worse on {place}")
    for place, one, verdict in verdicts:
        if verdict == Verdict.TOO_FEW:
            few = f"{plural(one.subjects, 'subject')} of {place} are too few, it takes {FEWEST}"
            return Decision(Outcome.UNTOLD, few if one.subjects != 1 else few.replace(" are ", " is "))
        if verdict == Verdict.UNCLEAR:
            lost = f"a loss as large as the margin of {margin:g} can't be ruled out on {place}"
            return Decision(Outcome.UNTOLD, lost)
    place, one, verdict = verdicts[-1]
    if verdict == Verdict.BETTER or asked == Asked.NO_WORSE:
        return Decision(Outcome.PROMOTED, ", ".join(f"{v.value} on {p}" for p, _, v in verdicts))
    if one.value.high < margin:
        return Decision(Outcome.KEPT, f"no gain as large as the margin of {margin:g} on {place}")
    return Decision(Outcome.UNTOLD, f"no worse, but not shown to be better on {place}")
