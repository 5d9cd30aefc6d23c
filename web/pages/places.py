"""The places that every page leads to: in the side bar, in the bottom bar of a small screen, and by two keys."""

from dataclasses import dataclass

from flask import g, url_for

from web.auth import identity
from web.pages.translation import _

SMALL = 4
"""So many of them stand in the bottom bar of a small screen; the rest are behind its last entry."""


@dataclass(frozen=True)
class Place:
    """One entry; `key` is the letter that leads there after a `g`; a `minor` one stands behind "More" alone."""

    name: str
    address: str
    icon: str
    title: str
    key: str | None = None
    minor: bool = False

    @property
    def way(self) -> str:
        """What the list of keys says of it."""
        return _("Go to %(place)s", place=self.title)


def places() -> list[Place]:
    """The places of this reader, in the order of the side bar."""
    found = [
        Place("create", url_for("create.show"), "sparkles", _("Create"), "c"),
        Place("jobs", url_for("all_jobs.show"), "list-checks", _("Jobs"), "j"),
        Place("gallery", url_for("gallery.show"), "images", _("Gallery"), "i"),
        Place("batches", url_for("all_batches.show"), "layers", _("Batches"), "b"),
        Place("workflows", url_for("all_workflows.show"), "workflow", _("Workflows"), "w"),
        Place("schedules", url_for("all_schedules.show"), "calendar-clock", _("Schedules"), "s"),
        Place("devices", url_for("all_devices.show"), "cpu", _("Devices"), "d"),
        Place("models", url_for("all_models.show"), "box", _("Models"), "m"),
        Place("datasets", url_for("all_datasets.show"), "database", _("Datasets"), "t"),
    ]
    if may("keys:write"):
        found.append(Place("keys", url_for("own_keys.show"), "key-round", _("Keys"), "k"))
    return [
        *found,
        Place("docs", url_for("openapi.docs"), "book-open", _("API")),
        Place("uploads", url_for("all_uploads.show"), "upload", _("Uploads"), "u", minor=True),
        Place("check", url_for("check_file.show"), "shield-check", _("Check a file"), "p", minor=True),
    ]


def may(scope: str) -> bool:
    """Whether the reader's key has this scope; of a reader who is not known yet, login will tell."""
    return "identity" not in g or identity().may(scope)
