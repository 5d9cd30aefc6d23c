"""When a schedule is due: five cron fields in a time zone, and the due ticks that follow from them, in UTC.

The calendar is cronsim's; what the clock does to it when it is put forward or back is decided here. A fixed time of
day (`30 2 * * *`) comes once a day: a time that does not exist comes at the end of the gap, one that exists twice
comes the first time. A minute or an hour that begins with a star (`0 * * * *`) follows the clock as it stands, so an
hour that comes twice is due twice. Knows no rows.
"""

import difflib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import dropwhile, takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from shared.errors import Invalid

MAX_LENGTH = 200
"""Characters of a cron text."""

EXAMPLE = "“0 9 * * 1-5” is 09:00 from Monday to Friday"

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of the month": "1 to 31, L for the last day or LW for the last weekday",
    "month": "1 to 12 or JAN to DEC",
    "day of the week": "0 to 7 or SUN to SAT, 1#2 for the second Monday or 5L for the last Friday",
}

_LONG_AGO = datetime(2000, 1, 1)  # noqa: DTZ001 - where reading begins does not matter; only the fields are looked at

_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


def parse(text: str) -> str:
    """The five fields of a cron text, aliases such as `@daily` spelt out.

    Raises:
        Invalid: it is not cron, or never comes due; the sentence says which part is wrong.
    """
    spelt = ALIASES.get(text.strip().lower(), text)
    parts = spelt.split()
    if len(text) > MAX_LENGTH:
        raise _wrong(f"This is longer than {MAX_LENGTH} characters.")
    if spelt.strip().startswith("@"):
        raise _wrong(f"There is no alias “{spelt.strip()}”; there are {', '.join(ALIASES)}.")
    if len(parts) == 6:
        raise _wrong("These are six fields; seconds are not offered. Take the first one away.")
    if len(parts) != 5:
        raise _wrong("Cron has five fields: minute, hour, day of the month, month, day of the week.")
    for place, (name, allowed) in enumerate(_FIELDS.items()):
        alone = ["*"] * 5
        alone[place] = parts[place]
        if not _reads(alone):
            raise _wrong(f"“{parts[place]}” does not fit the {name}: it takes {allowed}.")
    if not _reads(parts) or next(iter(CronSim(" ".join(parts), _LONG_AGO)), None) is None:
        raise _wrong("No such day ever comes: its month is too short.")
    return " ".join(parts)


def fields(cron: str) -> CronSim:
    """What checked cron text says, field by field."""
    return CronSim(cron, _LONG_AGO)


def zone(name: str) -> ZoneInfo:
    """The time zone of this name.

    Raises:
        Invalid: there is none; the sentence names those that are spelt alike.
    """
    known = _zones()
    if name in known.values():
        return ZoneInfo(name)
    asked = name.strip().lower().replace(" ", "_")[:60]
    # People know their city, not its continent.
    alike = [key for key in known if key == asked or key.endswith(f"/{asked}")]
    alike = alike or difflib.get_close_matches(asked, known, 3, 0.6)
    meant = f" Did you mean {' or '.join(known[key] for key in alike)}?" if alike else ""
    raise Invalid(
        f"There is no time zone “{name[:60]}”.{meant} Zones are named like Europe/Berlin, Asia/Shanghai or UTC.",
        code="unknown_zone",
        field="zone",
    )


def zones() -> list[str]:
    """The zones that people choose among: those of a place, and UTC."""
    places = (name for name in _zones().values() if "/" in name and not name.startswith(("Etc/", "SystemV/", "US/")))
    return ["UTC", *sorted(places)]


def ticks(cron: str, where: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """The due ticks after a moment, in UTC, each later than the one before."""
    after = after.astimezone(UTC)
    minute, hour, *_ = cron.split()
    if minute.startswith("*") or hour.startswith("*"):
        return _by_the_clock(cron, where, after)
    # Within a doubled hour cronsim begins with the first pass through it, which may lie behind us.
    daily = (tick.astimezone(UTC) for tick in CronSim(cron, after.astimezone(where)))
    return dropwhile(lambda tick: tick <= after, daily)


def latest(cron: str, where: ZoneInfo, until: datetime) -> datetime | None:
    """The last due tick up to a moment, found without walking through all before it; None in ten years."""
    for days in (1 / 24, 1, 31, 366, 3660):
        found = list(takewhile(lambda tick: tick <= until, ticks(cron, where, until - timedelta(days=days))))
        if found:
            return found[-1]
    return None


def _by_the_clock(cron: str, where: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Every moment at which the clock on the wall fits: the calendar of one UTC offset, until the offset changes.

    cronsim's own walk through a change reckons with whole hours, which Lord Howe's half hour is not.
    """
    begin, offset = after, _offset(where, after)
    while True:
        change = None
        for wall in CronSim(cron, (begin + offset).replace(tzinfo=None)):
            due = wall.replace(tzinfo=UTC) - offset
            change = _change(where, after, due)
            if change is not None:
                break
            yield due
            after = due
        if change is None:
            return
        after, offset = change, _offset(where, change)
        begin = change - _SECOND  # the very moment of the change may be due


def _change(where: ZoneInfo, begin: datetime, end: datetime) -> datetime | None:
    """The first moment after `begin`, up to `end`, at which the zone's offset differs."""
    offset = _offset(where, begin)
    while begin < end:
        later = min(begin + _DAY, end)
        if _offset(where, later) != offset:
            while later - begin > _SECOND:
                middle = begin + timedelta(seconds=(later - begin) // _SECOND // 2)
                begin, later = (middle, later) if _offset(where, middle) == offset else (begin, middle)
            return later
        begin = later
    return None


def _offset(where: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(where).utcoffset() or timedelta()


def _reads(parts: list[str]) -> bool:
    try:
        CronSim(" ".join(parts), _LONG_AGO)
    except CronSimError:
        return False
    return True


@cache
def _zones() -> dict[str, str]:
    """Every zone by its name in small letters."""
    return {name.lower(): name for name in sorted(available_timezones()) if not name.startswith("posixrules")}


def _wrong(sentence: str) -> Invalid:
    return Invalid(f"{sentence} For example, {EXAMPLE}.", code="bad_cron", field="cron")
