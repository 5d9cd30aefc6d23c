"""Gallery: the pictures that were made, newest first; stars, a selection as a zip, two compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shared import gallery, kinds, library
from shared.errors import Invalid, NotFound
from shared.gallery import Item
from web.api.artifacts import zip_answer
from web.auth import identity, needs
from web.pages.login import local_path
from web.pages.settings import settings
from web.pages.translation import _
from web.pages.usable import uses
from web.site import site

pages = Blueprint("gallery", __name__, url_prefix="/gallery")

PAGE = 60
MAX_SEARCH = 200


@pages.get("/")
@needs("jobs:read")
def slashed() -> Response:
    """With a slash it is the same page."""
    return Response(status=308, headers={"Location": url_for("gallery.show")})


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The page."""
    return render_template("gallery/page.html", **_seen())


@pages.get("/list")
@needs("jobs:read")
def part() -> str:
    """The pictures with their filters alone, as one searches."""
    return render_template("gallery/list.html", **_seen())


@pages.get("/more")
@needs("jobs:read")
def more() -> str:
    """The next pictures, to be put after the last ones."""
    return render_template("gallery/more.html", **_seen())


@pages.get("/news")
@needs("jobs:read")
def news() -> Response | str:
    """How many pictures have come since the page was drawn; 204 while that is what the page says already."""
    since, seen = request.args.get("since", "")[:60], request.args.get("seen", type=int, default=0)
    count = gallery.newer(site().db, identity().owner.id, since)
    if count == seen:
        return Response(status=204)
    return render_template("gallery/news.html", count=count, since=since)


@pages.post("/<artifact_id>/star")
@needs("jobs:write")
def star(artifact_id: str) -> Response | str:
    """Star a picture, or take its star away; a script gets the button as it is now."""
    verb = gallery.star if request.form.get("starred") == "yes" else gallery.unstar
    item = verb(site().db, identity().owner.id, artifact_id)
    if "HX-Request" in request.headers:
        return render_template("gallery/star.html", item=item)
    back = local_path(request.form.get("next", "")) or url_for("gallery.show")
    return redirect(f"{back}#shot-{artifact_id}", 303)


@pages.post("/selection")
@needs("jobs:read")
def selection() -> Response | tuple[str, int]:
    """The chosen pictures as a zip, or two of them compared."""
    chosen = request.form.getlist("pick")
    try:
        found = _chosen(chosen, compared=request.form.get("do") == "compare")
    except Invalid as error:
        sentence = error.errors[0]["message"]
        return render_template("gallery/page.html", **_seen() | {"wrong": sentence, "picked": set(chosen)}), 422
    if request.form.get("do") == "compare":
        first, second = (item.artifact.id for item in found)
        return redirect(url_for("gallery.compare", a=first, b=second), 303)
    return zip_answer(found)


@pages.get("/<artifact_id>/use")
@needs("jobs:read")
def use(artifact_id: str) -> Response | str:
    """On to the form of the kind that takes it as an input; where there are several, to choose among."""
    item = _one(artifact_id)
    found = uses(item.artifact)
    if len(found) == 1:
        return redirect(found[0].address, 303)
    return render_template("gallery/use.html", item=item, uses=found)


@pages.get("/compare")
@needs("jobs:read")
def compare() -> str:
    """Two pictures side by side, and what differs in how they were made."""
    first, second = (_one(request.args.get(name, "")) for name in ("a", "b"))
    if not all(each.artifact.media_type.startswith("image/") for each in (first, second)):
        raise Invalid(_("Select two pictures to compare."))
    rows = _rows(first, second)
    return render_template(
        "gallery/compare.html",
        first=first,
        second=second,
        differing=[row for row in rows if row.differs],
        same=[row for row in rows if not row.differs],
    )


@dataclass(frozen=True)
class Row:
    """One setting of two pictures."""

    title: str
    first: str
    second: str

    @property
    def differs(self) -> bool:
        """Whether the two have it differently."""
        return self.first != self.second


def _seen() -> dict[str, Any]:
    asked = _asked()
    owner_id = identity().owner.id
    cursor = request.args.get("cursor") or None
    found = gallery.page(
        site().db,
        owner_id,
        media=gallery.SEEN,
        works=True,
        starred=bool(asked["starred"]),
        search=asked["q"] or None,
        model=asked["model"] or None,
        before=_after(asked["until"]),
        limit=PAGE,
        cursor=cursor,
    )
    return {
        "asked": asked,
        "filters": {name: value for name, value in asked.items() if value},
        "items": found.items,
        "next": found.next,
        "cursor": cursor or "",
        "since": found.items[0].artifact.id if found.items and not cursor and not any(asked.values()) else "",
        "models": _models(owner_id, asked["model"]),
        "picked": set(),
        "wrong": "",
    }


def _asked() -> dict[str, str]:
    """The filters of the address; a form that failed sends them along in its action."""
    lengths = {"q": MAX_SEARCH, "model": MAX_SEARCH, "until": 10, "starred": 3}
    return {name: request.args.get(name, "")[:length] for name, length in lengths.items()}


def _after(day: str) -> datetime | None:
    """The end of the day that is jumped to; a day that is none is no filter."""
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC) if day else None
    except (ValueError, OverflowError):
        return None


def _models(owner_id: str, asked: str) -> list[tuple[str, str]]:
    """The models that make pictures, by name and title; the one that is asked for, whatever it is."""
    tasks = set()
    for name in kinds.names():
        if kinds.params_class(name).output == "image":
            tasks.add(kinds.schema(name)["properties"].get("model", {}).get("x-ui", {}).get("task"))
    found = {each.name: each.title for each in library.list_models(site().db, owner_id) if each.task in tasks}
    return list((found | ({asked: found.get(asked, asked)} if asked else {})).items())


def _chosen(chosen: Sequence[str], *, compared: bool) -> list[Item]:
    if not chosen:
        raise Invalid(_("Select at least one picture."), field="pick")
    if compared and len(set(chosen)) != 2:
        raise Invalid(_("Select two pictures to compare."), field="pick")
    found = gallery.items(site().db, identity().owner.id, chosen)
    if compared and not all(item.artifact.media_type.startswith("image/") for item in found):
        raise Invalid(_("Select two pictures to compare."), field="pick")
    return found


def _one(artifact_id: str) -> Item:
    if not artifact_id:
        raise NotFound("There is no such artifact.")
    return gallery.items(site().db, identity().owner.id, [artifact_id])[0]


def _rows(first: Item, second: Item) -> list[Row]:
    """Every setting that one of the two has, in the order of the form."""
    sides = [{each.name: each for each in settings(item.kind, item.settings)} for item in (first, second)]
    names = [*sides[0], *(name for name in sides[1] if name not in sides[0])]
    rows = []
    for name in names:
        found = [side.get(name) for side in sides]
        title = next(each.title for each in found if each)
        rows.append(Row(title, *(each.words if each else "–" for each in found)))
    return [*rows, Row(_("Model version"), first.model_version or "–", second.model_version or "–")]
