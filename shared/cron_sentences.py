"""Cron read back as a sentence, in English and in Chinese, from the very sets of numbers that it comes due by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from cronsim import CronSim

from shared import cron

Language = Literal["en", "zh"]

FEW = 6
"""A list of times or numbers is said in full up to here."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
#: what stands before the last part of a list, and between the others
_ZH = ("、", "、")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: 0 is the last one, here as in `_Said.nth`
_ORDINALS = ("last", "first", "second", "third", "fourth", "fifth")
_ORDINALS_ZH = ("最后一个", "第一个", "第二个", "第三个", "第四个", "第五个")


def sentence(text: str, language: Language) -> str:
    """What checked cron text means."""
    said = _said(cron.fields(text))
    return _english(said) if language == "en" else _chinese(said)


@dataclass(frozen=True)
class _Said:
    """What the fields come to. An empty tuple is no restriction; days of the week count from Monday, 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    weekdays: tuple[int, ...]
    #: day of the week, and which one of the month
    nth: tuple[tuple[int, int], ...]
    months: tuple[int, ...]
    #: whether day of the month and day of the week must both fit, or one of them
    both: bool


def _said(fields: CronSim) -> _Said:
    plain = [each for each in fields.weekdays if isinstance(each, int)]
    weekdays = sorted({(each + 6) % 7 for each in plain})
    nth = sorted(((d + 6) % 7, max(n, 0)) for d, n in (each for each in fields.weekdays if not isinstance(each, int)))
    days, any_weekday = sorted(fields.days), len(weekdays) == 7
    any_day = set(range(1, 32)) <= fields.days
    if (any_day or any_weekday) and not fields.day_and:
        any_day = any_weekday = True
    return _Said(
        minutes=tuple(sorted(fields.minutes)),
        hours=tuple(sorted(fields.hours)),
        days=() if any_day else tuple(days),
        weekdays=() if any_weekday else tuple(weekdays),
        nth=() if any_weekday else tuple(nth),
        months=() if len(fields.months) == 12 else tuple(sorted(fields.months)),
        both=fields.day_and,
    )


# ---- English --------------------------------------------------------------------------------------------------


def _english(said: _Said) -> str:
    months = _named_en("in", [_run(each, _month_en, " to ") for each in _runs(said.months)])
    daily = " every day" if _times(said) and not (said.days or said.weekdays or said.nth) else ""
    return f"{_time_en(said)}{_days_en(said) or daily}{months}."


def _time_en(said: _Said) -> str:
    hours, minutes = said.hours, said.minutes
    if times := _times(said):
        return f"At {_listed(times, 'and')}"
    if len(minutes) == 1 and (step := _step(hours)):
        if len(hours) == 24:
            return "Every hour" if minutes == (0,) else f"Every hour at minute {minutes[0]}"
        every = "hour" if step == 1 else f"{step} hours"
        return f"Every {every} from {_clock(hours[0], minutes[0])} to {_clock(hours[-1], minutes[0])}"
    if step := _even(minutes):
        often = "Every minute" if step == 1 else f"Every {step} minutes"
    else:
        often = f"At minute{'s' if len(minutes) > 1 else ''} {_numbers(minutes, 'and')}"
    if len(hours) == 24:
        return often if _even(minutes) else f"{often} of every hour"
    if _step(hours) == 1 or len(hours) == 1:
        return f"{often} from {_clock(hours[0], 0)} to {_clock(hours[-1], 59)}"
    return f"{often} of the hours {_numbers(hours, 'and')}"


def _days_en(said: _Said) -> str:
    numbered = tuple(day for day in said.days if day > 0)
    parts = [f"day{'s' if len(numbered) > 1 else ''} {_numbers(numbered, 'and')}"] if numbered else []
    parts += ["the last day"] if CronSim.LAST in said.days else []
    parts += ["the last weekday"] if CronSim.LAST_WEEKDAY in said.days else []
    days = f"{_named_en('on', parts)} of the month" if parts else ""
    named = [_run(each, _day_en, " to ") for each in _runs(said.weekdays)]
    named += [f"the {_ORDINALS[n]} {_DAYS[day]} of the month" for day, n in said.nth]
    if days and named:
        return f"{days}, if that is {_listed(named, 'or')}" if said.both else f"{days}, and{_named_en('on', named)}"
    return days or _named_en("on", named)


def _named_en(word: str, parts: list[str]) -> str:
    """on Monday and Friday; from Monday to Friday."""
    word = "from" if len(parts) == 1 and " to " in parts[0] else word
    return f" {word} {_listed(parts, 'and')}" if parts else ""


def _day_en(day: int) -> str:
    return _DAYS[day]


def _month_en(month: int) -> str:
    return _MONTHS[month - 1]


# ---- Chinese --------------------------------------------------------------------------------------------------


def _chinese(said: _Said) -> str:
    months = _listed([_run(each, lambda month: f"{month} 月", "至 ") for each in _runs(said.months)], *_ZH)
    days = _days_zh(said)
    if days:
        within = f"{months}的{' ' if days[0].isdigit() else ''}" if months else ""
        return f"{within}{days}，{_time_zh(said)}。"
    when = f"{months}的每天，" if months else "每天 " if _times(said) else ""
    return f"{when}{_time_zh(said)}。"


def _time_zh(said: _Said) -> str:
    hours, minutes = said.hours, said.minutes
    if times := _times(said):
        return _listed(times, *_ZH)
    if len(minutes) == 1 and (step := _step(hours)):
        if len(hours) == 24:
            return "每小时整点" if minutes == (0,) else f"每小时的第 {minutes[0]} 分钟"
        every = "每小时" if step == 1 else f"每 {step} 小时"
        return f"{_clock(hours[0], minutes[0])} 至 {_clock(hours[-1], minutes[0])} {every}一次"
    if step := _even(minutes):
        often = "每分钟" if step == 1 else f"每 {step} 分钟"
    else:
        often = f"第 {_numbers(minutes, '、', '、')} 分钟"
    if len(hours) == 24:
        return often if _even(minutes) else f"每小时的{often}"
    if _step(hours) == 1 or len(hours) == 1:
        return f"{_clock(hours[0], 0)} 至 {_clock(hours[-1], 59)} {'' if _even(minutes) else '每小时的'}{often}"
    return f"{_numbers(hours, '、', '、')} 点的{often}"


def _days_zh(said: _Said) -> str:
    monthly = "" if said.months else "每月"
    numbered = tuple(day for day in said.days if day > 0)
    parts = [f"{_numbers(numbered, '、', '、')} 日"] if numbered else []
    parts += ["最后一天"] if CronSim.LAST in said.days else []
    parts += ["最后一个工作日"] if CronSim.LAST_WEEKDAY in said.days else []
    joined = _listed(parts, *_ZH)
    days = f"{monthly} {joined}" if monthly and joined[:1].isdigit() else f"{monthly}{joined}" if joined else ""
    named = [_run(each, _day_zh, "至") for each in _runs(said.weekdays)]
    if said.weekdays and not (said.months or days):
        named[0] = f"每{named[0]}"
    named += [f"{monthly}{_ORDINALS_ZH[n]}{_day_zh(day)}" for day, n in said.nth]
    weekdays = _listed(named, *_ZH)
    if days and weekdays:
        return f"{days}且为{weekdays}时" if said.both else f"{days}以及{weekdays}"
    return days or weekdays


def _day_zh(day: int) -> str:
    return f"周{'一二三四五六日'[day]}"


# ---- numbers --------------------------------------------------------------------------------------------------


def _times(said: _Said) -> list[str]:
    """Every time of a day, where they are few."""
    if len(said.hours) == 24 or len(said.hours) * len(said.minutes) > FEW:
        return []
    return [_clock(hour, minute) for hour in said.hours for minute in said.minutes]


def _clock(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"


def _step(values: Sequence[int]) -> int:
    """The step between values that are evenly apart; 0 for others."""
    steps = {later - earlier for earlier, later in pairwise(values)}
    return steps.pop() if len(steps) == 1 else 0


def _even(minutes: Sequence[int]) -> int:
    """The step of minutes that go round the hour evenly, from its beginning; 0 for others."""
    step = _step(minutes)
    return step if minutes[0] == 0 and step and step * len(minutes) == 60 else 0


def _runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours joined: 1, 2, 3, 5 are 1 to 3, and 5."""
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    # Two are said one by one.
    pairs = [[run] if run[1] - run[0] != 1 else [(run[0],) * 2, (run[1],) * 2] for run in runs]
    return [run for pair in pairs for run in pair]


def _run(run: tuple[int, int], name: Callable[[int], str], to: str) -> str:
    first, last = run
    return name(first) if first == last else f"{name(first)}{to}{name(last)}"


def _numbers(values: Sequence[int], conjunction: str, comma: str = ", ") -> str:
    """Numbers in a row: 1–5 and 9, or 0, 7, 14 … 56."""
    if len(values) > FEW and _step(values) > 1:
        return f"{comma.join(str(each) for each in values[:3])} … {values[-1]}"
    return _listed([_run(each, str, "–") for each in _runs(values)], conjunction, comma)


def _listed(parts: Sequence[str], conjunction: str, comma: str = ", ") -> str:
    if len(parts) < 2:
        return "".join(parts)
    joint = f" {conjunction} " if conjunction.isalpha() else conjunction
    return f"{comma.join(parts[:-1])}{joint}{parts[-1]}"
