"""What is to become of the ticks that are due: which run, which were missed and are dropped, and when the next is.

Reckons only; knows no rows and no clock of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, takewhile
from zoneinfo import ZoneInfo

from shared import cron
from shared.schedule import Missed

GRACE = timedelta(seconds=60)
"""A due tick that is older than this was missed: no beat was there for it."""

LOOK_AT = 1000
"""Missed due ticks looked at, and run, at a time."""


@dataclass(frozen=True)
class Tick:
    """A due tick and, where it was missed, the sentence that says so."""

    due_at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class Plan:
    """The due ticks to run, the newest of those that are dropped, and the next one; None where there is no next."""

    run: list[Tick]
    dropped: Tick | None
    next: datetime | None


@dataclass(frozen=True)
class Timing:
    """When something is due, by checked cron in a zone."""

    cron: str
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The due ticks after a moment."""
        return cron.ticks(self.cron, self.zone, moment)

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """A due tick, and those that follow it up to a moment."""
        return takewhile(lambda each: each <= last, chain([first], self.after(first)))


def plan(timing: Timing, first: datetime, now: datetime, missed: Missed, window: timedelta | None) -> Plan:
    """The plan for a schedule that is due since `first`.

    A due tick is its own witness: it counts even where the cron or the zone's rules would not name it today.
    """
    first, now = first.astimezone(UTC), now.astimezone(UTC)
    edge, following = now - GRACE, next(timing.after(now), None)
    if first > edge:
        return Plan([Tick(each) for each in timing.between(first, now)], None, following)
    fresh = [Tick(each) for each in takewhile(lambda each: each <= now, timing.after(edge))]
    if window is not None and missed == "all":
        return _all(timing, first, edge, now - window, Plan(fresh, None, following))
    count, newest = _missed(timing, first, edge)
    if missed == "once":
        return Plan([Tick(newest, f"{_told(count)}; this one run makes up for it."), *fresh], None, following)
    return Plan(fresh, Tick(newest, f"{_told(count)}; this schedule skips what it missed."), following)


def _all(timing: Timing, first: datetime, edge: datetime, begin: datetime, rest: Plan) -> Plan:
    """Every missed due tick within the window; of very many the first ones now, and then the others."""
    dropped, young = None, timing.between(first, edge)
    if first < begin:
        count, newest = _missed(timing, first, begin)
        dropped = Tick(newest, f"{_told(count)} longer ago than the schedule's window.")
        young = takewhile(lambda each: each <= edge, timing.after(begin))
    late = [Tick(each, "This due tick was missed, and is made up for.") for each in islice(young, LOOK_AT + 1)]
    if len(late) > LOOK_AT:
        return Plan(late[:-1], dropped, late[-1].due_at)
    return Plan([*late, *rest.run], dropped, rest.next)


def _missed(timing: Timing, first: datetime, until: datetime) -> tuple[int, datetime]:
    """How many due ticks there were (no more than LOOK_AT and one are counted), and the newest."""
    counted = list(islice(timing.between(first, until), LOOK_AT + 1))
    if len(counted) <= LOOK_AT:
        return len(counted), counted[-1]
    return len(counted), cron.latest(timing.cron, timing.zone, until) or counted[-1]


def _told(count: int) -> str:
    if count > LOOK_AT:
        return f"More than {LOOK_AT} due ticks were missed"
    return "A due tick was missed" if count == 1 else f"{count} due ticks were missed"
