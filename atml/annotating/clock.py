"""When something happened: the time since the recording began, and the time of day where that is known."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

DAY = 24 * 3600


@dataclass(frozen=True)
class Clock:
    """Tells the time of a recording that began at ``start``: a date and time, a time of day, or None.

    Example:
        >>> Clock(datetime.time(23, 59, 30)).of_day(45.25), Clock(None).of_day(45.25)
        ('00:00:15.250', '')
        >>> Clock(datetime.datetime(2026, 11, 30, 8)).said(3725.0), Clock(None).said(3725.0)
        ('1:02:05 (30 Nov, 09:02:05)', '1:02:05')
    """

    start: datetime.datetime | datetime.time | None

    def of_day(self, seconds: float) -> str:
        """Return the date and time so long after the beginning, to the millisecond; "" where not known."""
        if isinstance(self.start, datetime.datetime):
            found = self.start + datetime.timedelta(milliseconds=round(1000 * seconds))
            return found.isoformat(sep=" ", timespec="milliseconds")
        if self.start is None:
            return ""
        return (
            (self._on_some_day() + datetime.timedelta(milliseconds=round(1000 * seconds)))
            .time()
            .isoformat(timespec="milliseconds")
        )

    def short(self, seconds: float) -> str:
        """Return the time of day to the second, "" where it is not known."""
        if self.start is None:
            return ""
        return f"{self._on_some_day() + datetime.timedelta(seconds=round(seconds)):%H:%M:%S}"

    def said(self, seconds: float) -> str:
        """Say when, for people: the time since the beginning, and the time of day in brackets."""
        since = elapsed(seconds)
        if isinstance(self.start, datetime.datetime):
            then = self.start + datetime.timedelta(seconds=round(seconds))
            return f"{since} ({then.day} {then:%b, %H:%M:%S})"
        return f"{since} ({self.short(seconds)})" if self.start else since

    def past_hour(self) -> float:
        """Return how many seconds past a full hour the recording began; 0 where that is not known."""
        if self.start is None:
            return 0.0
        return 60.0 * self.start.minute + self.start.second

    def _on_some_day(self) -> datetime.datetime:
        if isinstance(self.start, datetime.datetime):
            return self.start
        return datetime.datetime.combine(datetime.date(2000, 1, 1), self.start or datetime.time())


def elapsed(seconds: float) -> str:
    """Write a time since the beginning as h:mm:ss.

    Example:
        >>> elapsed(59.6), elapsed(86_399)
        ('0:01:00', '23:59:59')
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
