"""Due ticks as pages write them: by the clock of the schedule's zone, with its UTC offset, and how far off."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from shared import cron
from shared.cron_sentences import sentence
from shared.errors import Invalid
from web.pages.translation import _, language, plural

SHOWN = 5

_PATTERNS = {"en": ("en", "EEE d MMM yyyy, HH:mm"), "zh": ("zh_Hans", "y年M月d日 EEE HH:mm")}


@dataclass(frozen=True)
class Preview:
    """What a cron text means in a zone; or, at `wrong`, why it means nothing."""

    sentence: str
    next: list[datetime]
    zone: str
    wrong: str = ""


def preview(text: str, zone: str) -> Preview:
    """The sentence and the next due ticks."""
    try:
        checked, where = cron.parse(text), cron.zone(zone)
    except Invalid as error:
        return Preview("", [], zone, str(error))
    following = islice(cron.ticks(checked, where, datetime.now(UTC)), SHOWN)
    return Preview(sentence(checked, language()), [each.astimezone(where) for each in following], zone)


def local(moment: datetime, zone: str) -> datetime:
    """A moment by the clock of a zone; of one that is known no more, by UTC."""
    try:
        where = cron.zone(zone)
    except Invalid:
        where = ZoneInfo("UTC")
    return moment.astimezone(where)


def wall(moment: datetime) -> str:
    """A moment as the clock of its own zone shows it."""
    locale, pattern = _PATTERNS[language()]
    return format_datetime(moment, pattern, locale=locale)


def offset(moment: datetime) -> str:
    """The UTC offset of a moment: zone names may mislead, this does not."""
    minutes = round((moment.utcoffset() or timedelta()).total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '−'}{hours}{f':{rest:02}' if rest else ''}"


def ahead(moment: datetime) -> str:
    """How far off a moment is."""
    seconds = (moment - datetime.now(UTC)).total_seconds()
    if seconds < 60:
        return _("in less than a minute")
    if seconds < 90 * 60:
        return _("in %(n)s min", n=round(seconds / 60))
    if seconds < 36 * 3600:
        return _("in %(n)s h", n=round(seconds / 3600))
    return plural("in %(num)s day", "in %(num)s days", round(seconds / 86400))
