"""How often, as a form asks it: a preset with its time, or cron. Both ways, between fields and five cron fields."""

import re
from collections.abc import Mapping

from shared.errors import Invalid
from web.pages.translation import _

PRESETS = ("hourly", "daily", "weekdays", "weekly", "monthly", "custom")

DEFAULTS = {"repeat": "daily", "minute": "0", "time": "09:00", "weekday": "1", "day": "1", "cron": "0 9 * * *"}

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\Z")

FIELD_OF = {"hourly": "minute", "custom": "cron"}
"""The field that a complaint about a preset's cron is shown at; the time for all others."""


def repeat_word(preset: str) -> str:
    """A preset as a reader calls it."""
    return {
        "hourly": _("Hourly"),
        "daily": _("Daily"),
        "weekdays": _("Weekdays"),
        "weekly": _("Weekly"),
        "monthly": _("Monthly"),
        "custom": _("Cron"),
    }[preset]


def cron_of(typed: Mapping[str, str]) -> str:
    """The cron that the fields mean, unchecked where it was typed as such.

    Raises:
        Invalid: a time, a minute, a weekday or a day is none.
    """
    preset = typed["repeat"]
    if preset == "custom":
        return typed["cron"].strip()
    if preset == "hourly":
        return f"{_number(typed['minute'], 0, 59, 'minute')} * * * *"
    found = _TIME.match(typed["time"].strip())
    if found is None:
        raise Invalid(_("Write a time of day like 09:00."), field="time")
    at = f"{int(found[2])} {int(found[1])}"
    if preset == "weekly":
        return f"{at} * * {_number(typed['weekday'], 0, 6, 'weekday')}"
    if preset == "monthly":
        day = "L" if typed["day"] == "L" else _number(typed["day"], 1, 31, "day")
        return f"{at} {day} * *"
    if preset in {"daily", "weekdays"}:
        return f"{at} * * {'1-5' if preset == 'weekdays' else '*'}"
    raise Invalid(_("Choose how often."), field="repeat")


def fields_of(cron: str) -> dict[str, str]:
    """Checked cron as the fields that mean it; what no preset says is typed as cron."""
    minute, hour, day, month, weekday = cron.split()
    found = DEFAULTS | {"cron": cron, "repeat": "custom"}
    if month != "*" or not minute.isdecimal():
        return found
    if (hour, day, weekday) == ("*", "*", "*"):
        return found | {"repeat": "hourly", "minute": str(int(minute))}
    if not hour.isdecimal():
        return found
    found["time"] = f"{int(hour):02}:{int(minute):02}"
    if day == "*":
        known = {"*": "daily", "1-5": "weekdays"}
        if weekday in known:
            return found | {"repeat": known[weekday]}
        if weekday.isdecimal():
            return found | {"repeat": "weekly", "weekday": str(int(weekday) % 7)}
    elif weekday == "*" and (day == "L" or day.isdecimal()):
        return found | {"repeat": "monthly", "day": day}
    return found


def _number(text: str, least: int, most: int, field: str) -> int:
    if not re.fullmatch(r"\d{1,2}", text.strip()) or not least <= int(text) <= most:
        raise Invalid(_("Write a whole number from %(least)s to %(most)s.", least=least, most=most), field=field)
    return int(text)
