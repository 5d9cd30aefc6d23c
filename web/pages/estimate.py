"""What stands under the button of Create: about how long the job takes, its place in line, and who is ready for it."""

from dataclasses import dataclass

from shared import kinds, library
from shared.outlook import MOST_AHEAD, Outlook, outlook
from web.auth import identity
from web.pages.training_estimate import expected
from web.pages.translation import _, plural
from web.pages.wording import duration
from web.site import site
from web.written import Typed


@dataclass(frozen=True)
class Estimate:
    """Whole sentences; none where nothing is known. `waits`: no device is up, so the job does not begin by itself."""

    sentences: list[str]
    waits: bool


def estimate(kind: str, typed: Typed) -> Estimate:
    """For the form as it is: by its kind, and the model that is chosen in it."""
    declared = kinds.params_class(kind)
    name = _model(kind, typed)
    mine = {each.name: each for each in library.list_models(site().db, identity().owner.id)}
    key = mine[name].key if name in mine else None
    found = outlook(site().db, kind, name, key, declared.pool)
    # What the last training took says nothing of one on other data.
    return _told(found, expected(kind, typed)) if declared.trains else _told(found, _usual(found))


def _model(kind: str, typed: Typed) -> str | None:
    """The model that the job would be near to: what is chosen, else the kind's own."""
    default = kinds.schema(kind)["properties"].get("model", {}).get("default")
    chosen = typed.get("model", default)
    return str(chosen) if chosen else None


def _usual(found: Outlook) -> list[str]:
    if found.takes_s is None:
        return []
    quick = found.takes_s < 1
    return [_("Usually under a second.") if quick else _("Usually about %(time)s.", time=duration(found.takes_s))]


def _told(found: Outlook, sentences: list[str]) -> Estimate:
    if not found.devices:
        return Estimate([*sentences, _("No device is up just now; the job waits until one is.")], waits=True)
    if found.ready_on:
        sentences.append(_("%(device)s has this model ready.", device=found.ready_on))
    return Estimate([*sentences, *_place(found)], waits=False)


def _place(found: Outlook) -> list[str]:
    if found.long_line:
        return [_("More than %(n)s jobs are ahead.", n=f"{MOST_AHEAD:,}")]
    if found.ahead and found.wait_s is not None:
        ahead = plural("%(num)s job is ahead.", "%(num)s jobs are ahead.", found.ahead)
        return [ahead] if found.wait_s < 1 else [ahead, _("It starts in about %(time)s.", time=duration(found.wait_s))]
    if found.makes_room and not found.free:
        return [_("A training makes room for it: it starts within seconds.")]
    return [_("Nobody is ahead of you.") if found.free else _("You are next in line.")]
