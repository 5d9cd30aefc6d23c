"""Cron in a time zone: what is due when, above all in the nights when the clock is put forward or back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import cron
from shared.cron_sentences import sentence
from shared.errors import Invalid

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def due(text: str, zone: str, since: str, number: int) -> list[str]:
    """The next due ticks after a local moment, as local times with their offset: `29 03:00+02`."""
    where = ZoneInfo(zone)
    after = datetime.fromisoformat(since).replace(tzinfo=where)
    found = [each.astimezone(where) for each in islice(cron.ticks(text, where, after), number)]
    return [f"{each:%d %H:%M}{each:%z}"[:-2].replace("+1030", "+10") for each in found]


@pytest.mark.parametrize(
    ("text", "zone", "since", "expected"),
    [
        # A time that does not exist comes at the end of the gap, once.
        ("30 2 * * *", BERLIN, "2026-03-28T00:00", ["28 02:30+01", "29 03:00+02", "30 02:30+02"]),
        ("0,30 2,3 * * *", BERLIN, "2026-03-29T00:00", ["29 03:00+02", "29 03:30+02", "30 02:00+02"]),
        ("30 2 * * *", NEW_YORK, "2026-03-07T12:00", ["08 03:00-04", "09 02:30-04"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-03T12:00", ["04 02:30+11", "05 02:15+11"]),
        # A time that exists twice comes the first time.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["25 02:30+02", "26 02:30+01"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00", ["01 01:30-04", "02 01:30-05"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-04T12:00", ["05 01:45+11", "06 01:45+10"]),
        # What follows the clock follows it through both.
        ("0 * * * *", BERLIN, "2026-03-29T00:30", ["29 01:00+01", "29 03:00+02", "29 04:00+02"]),
        ("0 * * * *", BERLIN, "2026-10-25T01:30", ["25 02:00+02", "25 02:00+01", "25 03:00+01"]),
        ("0 * * * *", NEW_YORK, "2026-11-01T00:30", ["01 01:00-04", "01 01:00-05", "01 02:00-05"]),
        ("*/30 1 * * *", NEW_YORK, "2026-11-01T00:30", ["01 01:00-04", "01 01:30-04", "01 01:00-05", "01 01:30-05"]),
        ("0 */2 * * *", LORD_HOWE, "2026-04-04T23:00", ["05 00:00+11", "05 02:00+10", "05 04:00+10"]),
        ("30 * * * *", LORD_HOWE, "2026-04-05T01:00", ["05 01:30+11", "05 01:30+10", "05 02:30+10"]),
        ("0 * * * *", LORD_HOWE, "2026-10-04T00:30", ["04 01:00+10", "04 03:00+11", "04 04:00+11"]),
        # Calendars.
        ("0 9 29 2 *", BERLIN, "2026-01-01T00:00", ["29 09:00+01", "29 09:00+01"]),
        ("0 0 L * *", BERLIN, "2026-02-01T00:00", ["28 00:00+01", "31 00:00+02", "30 00:00+02"]),
        ("0 9 * * 1-5", BERLIN, "2026-11-20T12:00", ["23 09:00+01", "24 09:00+01"]),
        ("0 9 1 * 1", BERLIN, "2026-11-29T12:00", ["30 09:00+01", "01 09:00+01", "07 09:00+01"]),
    ],
)
def test_ticks_by_the_clock_of_a_zone(text: str, zone: str, since: str, expected: list[str]) -> None:
    assert due(text, zone, since, len(expected)) == expected


def test_a_leap_day_comes_every_four_years() -> None:
    found = list(islice(cron.ticks("0 0 29 2 *", ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC)), 2))
    assert [each.year for each in found] == [2028, 2032]


def test_nothing_is_due_before_the_moment_asked_for_not_even_within_a_doubled_hour() -> None:
    # Given 02:10 the second time, when 02:30 has been already
    second = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    # Then the next 02:30 is tomorrow's
    assert next(cron.ticks("30 2 * * *", ZoneInfo(BERLIN), second)) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_the_latest_tick_is_found_without_walking_there() -> None:
    now = datetime(2026, 3, 29, 12, tzinfo=UTC)
    assert cron.latest("* * * * *", ZoneInfo(BERLIN), now) == now
    assert cron.latest("30 2 * * *", ZoneInfo(BERLIN), now) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert cron.latest("0 0 29 2 *", ZoneInfo("UTC"), now) == datetime(2024, 2, 29, tzinfo=UTC)


# ---- properties -----------------------------------------------------------------------------------------------


def field(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high)
    spans = st.tuples(numbers, numbers).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    steps = st.integers(1, 20)
    stepped = st.tuples(st.one_of(st.just("*"), spans), steps).map(lambda pair: f"{pair[0]}/{pair[1]}")
    item = st.one_of(numbers.map(str), spans, stepped)
    return st.one_of(st.just("*"), item, st.lists(item, min_size=2, max_size=3).map(",".join))


CRONS = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(" ".join)
ZONES = st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "UTC", "Asia/Kolkata", "Africa/Casablanca", "Pacific/Apia"])
NIGHTS = [
    datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 11, 1, 5, tzinfo=UTC),
    datetime(2026, 4, 4, 14, tzinfo=UTC),
]
"""When the clock of one of these zones changes, or is about to."""

MOMENTS = st.tuples(
    st.one_of(
        st.tuples(st.sampled_from(NIGHTS), st.integers(-300, 300)),
        st.tuples(st.just(NIGHTS[0]), st.integers(-1_000_000, 1_000_000)),
    ),
    st.floats(0, 59.9),
).map(lambda drawn: drawn[0][0] + timedelta(minutes=drawn[0][1], seconds=drawn[1]))


@settings(max_examples=300, deadline=None)
@given(CRONS, ZONES, MOMENTS)
def test_ticks_only_ever_go_forward_and_are_whole_minutes(text: str, zone: str, after: datetime) -> None:
    found = list(islice(cron.ticks(cron.parse(text), ZoneInfo(zone), after), 20))
    assert found
    assert all(earlier < later for earlier, later in pairwise([after, *found]))
    assert all(each.tzinfo is UTC and not each.second and not each.microsecond for each in found)


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.sampled_from(["*", "*/7", "0", "30", "15,45"]), st.sampled_from(["*", "*/2", "*/5"])), ZONES, MOMENTS
)
def test_what_follows_the_clock_is_every_minute_that_fits(parts: tuple[str, str], zone: str, after: datetime) -> None:
    text, where = f"{parts[0]} {parts[1]} * * *", ZoneInfo(zone)
    after = after.replace(second=0, microsecond=0)
    said = cron.fields(text)

    def minute_by_minute() -> Iterator[datetime]:
        for minutes in range(1, 24 * 60):
            moment = after + timedelta(minutes=minutes)
            local = moment.astimezone(where)
            if local.minute in said.minutes and local.hour in said.hours:
                yield moment

    expected = list(minute_by_minute())
    assert list(islice(cron.ticks(text, where, after), len(expected))) == expected


@settings(max_examples=300, deadline=None)
@given(CRONS)
def test_every_cron_can_be_read_back(text: str) -> None:
    english, chinese = sentence(cron.parse(text), "en"), sentence(cron.parse(text), "zh")
    assert english[0].isupper()
    assert english.endswith(".")
    assert chinese.endswith("。")


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=30), st.text("0123456789*/,-L#W? @SUN", max_size=30)))
def test_whatever_is_typed_is_cron_or_is_refused_with_a_sentence(text: str) -> None:
    try:
        checked = cron.parse(text)
    except Invalid as error:
        refused = error
    else:
        assert next(cron.ticks(checked, ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC)))
        assert sentence(checked, "en")
        assert sentence(checked, "zh")
        return
    assert refused.field == "cron"
    assert cron.EXAMPLE in str(refused)


# ---- words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("", "five fields"),
        ("0 9 * *", "five fields"),
        ("0 0 9 * * 1-5", "six fields; seconds"),
        ("61 * * * *", "“61” does not fit the minute: it takes 0 to 59."),
        ("*/0 * * * *", "“*/0” does not fit the minute"),
        ("0 25 * * *", "“25” does not fit the hour: it takes 0 to 23."),
        ("0 22-6 * * *", "“22-6” does not fit the hour"),
        ("0 0 32 * *", "“32” does not fit the day of the month"),
        ("0 0 1 13 *", "“13” does not fit the month"),
        ("0 0 * * 8", "“8” does not fit the day of the week"),
        ("0 0 31 2 *", "No such day ever comes"),
        ("0 0 31 4,6 *", "No such day ever comes"),
        ("@reboot", "There is no alias “@reboot”"),
        ("0 " * 200, "longer than 200"),
    ],
)
def test_what_is_not_cron_is_refused_with_a_sentence_and_an_example(wrong: str, told: str) -> None:
    with pytest.raises(Invalid) as refused:
        cron.parse(wrong)
    assert told in str(refused.value)
    assert "For example, “0 9 * * 1-5” is 09:00 from Monday to Friday." in str(refused.value)
    assert (refused.value.field, refused.value.code) == ("cron", "bad_cron")


def test_aliases_are_spelt_out_and_spaces_made_even() -> None:
    assert cron.parse(" @Daily ") == "0 0 * * *"
    assert cron.parse("@hourly") == "0 * * * *"
    assert cron.parse("@weekly") == "0 0 * * 0"
    assert cron.parse("@monthly") == "0 0 1 * *"
    assert cron.parse(" 0   9 * *  mon ") == "0 9 * * mon"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("europe/berlin", "Europe/Berlin?"), ("Berlin", "Europe/Berlin?"), ("Asia/Shangai", "Asia/Shanghai"),
     ("new york", "America/New_York?"), ("", "named like"), ("../etc/passwd", "named like"), ("\0", "named like")],
)  # fmt: skip
def test_a_zone_that_does_not_exist_is_told_with_what_may_be_meant(name: str, meant: str) -> None:
    with pytest.raises(Invalid) as refused:
        cron.zone(name)
    assert meant in str(refused.value)
    assert refused.value.field == "zone"


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        ("* * * * *", "Every minute.", "每分钟。"),
        ("*/15 * * * *", "Every 15 minutes.", "每 15 分钟。"),
        ("0 * * * *", "Every hour.", "每小时整点。"),
        ("5 * * * *", "Every hour at minute 5.", "每小时的第 5 分钟。"),
        ("5,20,50 * * * *", "At minutes 5, 20 and 50 of every hour.", "每小时的第 5、20、50 分钟。"),
        ("*/7 * * * *", "At minutes 0, 7, 14 … 56 of every hour.", "每小时的第 0、7、14 … 56 分钟。"),
        ("30 2 * * *", "At 02:30 every day.", "每天 02:30。"),
        ("0 9 * * 1-5", "At 09:00 from Monday to Friday.", "每周一至周五，09:00。"),
        ("0 8,20 * * sat,0", "At 08:00 and 20:00 on Saturday and Sunday.", "每周六、周日，08:00、20:00。"),
        ("10 9-17 * * *", "Every hour from 09:10 to 17:10.", "09:10 至 17:10 每小时一次。"),
        ("*/10 9-17 * * *", "Every 10 minutes from 09:00 to 17:59.", "09:00 至 17:59 每 10 分钟。"),
        ("*/20 8,12,20 * * *", "Every 20 minutes of the hours 8, 12 and 20.", "8、12、20 点的每 20 分钟。"),
        ("0 */2 * * *", "Every 2 hours from 00:00 to 22:00.", "00:00 至 22:00 每 2 小时一次。"),
        ("0 0 1 * *", "At 00:00 on day 1 of the month.", "每月 1 日，00:00。"),
        ("0 0 L * *", "At 00:00 on the last day of the month.", "每月最后一天，00:00。"),
        ("0 9 * * 1#1", "At 09:00 on the first Monday of the month.", "每月第一个周一，09:00。"),
        ("0 9 * * 5L", "At 09:00 on the last Friday of the month.", "每月最后一个周五，09:00。"),
        ("0 0 1 1,7 *", "At 00:00 on day 1 of the month in January and July.", "1 月、7 月的 1 日，00:00。"),
        ("0 0 * 3-5 *", "At 00:00 every day from March to May.", "3 月至 5 月的每天，00:00。"),
        # One of the two is enough, but where one begins with a star both must fit.
        ("0 0 1 * 1", "At 00:00 on day 1 of the month, and on Monday.", "每月 1 日以及周一，00:00。"),
        ("0 0 */9 * 1", "At 00:00 on days 1, 10, 19 and 28 of the month, if that is Monday.",
         "每月 1、10、19、28 日且为周一时，00:00。"),
        ("0 0 1-31 * 1", "At 00:00 every day.", "每天 00:00。"),
    ],
)  # fmt: skip
def test_cron_is_read_back_in_two_languages(text: str, english: str, chinese: str) -> None:
    assert sentence(text, "en") == english
    assert sentence(text, "zh") == chinese
