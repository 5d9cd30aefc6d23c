"""Create: a form drawn from a kind's schema, and what was made lately."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shared import datasets, jobs, kinds, library, listing
from shared.dataset import Dataset
from shared.errors import FieldError, Invalid, NotFound
from shared.placeholders import placeholders
from web import forms
from web.auth import identity, needs
from web.forms import ModelChoice
from web.pages import polling, trials
from web.pages.api_call import api_call
from web.pages.attached import attached
from web.pages.estimate import estimate
from web.pages.presets import chips
from web.pages.rows import rows_of
from web.pages.suggestions import needed
from web.pages.translation import _, plural
from web.site import site
from web.uploads import takes_upload
from web.written import Typed

pages = Blueprint("create", __name__)

FIRST_KIND = "generate_image"
RECENT = 16


@pages.get("/")
@needs("jobs:read")
def show() -> str:
    """The form, empty or filled from a job (`from`) and from the address."""
    source = request.args.get("from", "")
    kind, typed = prefilled(source)
    typed |= forms.from_form(kind, request.args, complete=False)
    return _page(kind, typed, source=source)


@pages.post("/")
@needs("jobs:write")
@takes_upload
def submit() -> Response | tuple[str, int]:
    """Submit the form; the same form sent twice is one job."""
    kind = known(request.form.get("kind", ""))
    token = request.form.get("token", "")
    typed = forms.from_form(kind, request.form, complete=True)
    try:
        typed |= attached(kind)
        _check_models(kind, typed)
        params = kinds.validate(kind, forms.params(kind, typed), strict=False)
        made = jobs.submit(
            site().db,
            identity().owner,
            kind,
            params,
            idempotency_key=_once(token, kind, typed),
        )
    except Invalid as error:
        return _page(kind, typed, errors=error.errors, token=token), 422
    site().ringer.ring(made.job.pool)
    return redirect(url_for("job.show", job_id=made.job.id), 303)


@pages.post("/create/estimate")
@needs("jobs:read")
def expect() -> str:
    """What the form would have to expect with the model that is chosen now."""
    kind, typed = _sent()
    return render_template("create/estimate.html", estimate=estimate(kind, typed))


@pages.post("/create/attach")
@needs("jobs:write")
@takes_upload
def attach() -> tuple[str, int]:
    """A field drawn anew with the file that is sent; without one, with the file that its `ref` names."""
    kind, name = known(request.form.get("kind", "")), request.form.get("field", "")
    if name not in kinds.params_class(kind).input_media():
        raise NotFound("There is no such field.")
    typed: Typed = {name: request.form.get("ref", "")}
    errors: list[FieldError] = []
    try:
        typed |= attached(kind)
    except Invalid as error:
        errors = error.errors
    field = next(each for each in forms.fields(kind, typed, (), errors) if each.name == name)
    return render_template("create/attached.html", f=field), 422 if errors else 200


@pages.post("/create/api-call")
@needs("jobs:read")
@takes_upload
def call() -> str | tuple[str, int]:
    """The API call of what is typed: alone for a script, else the page with it open."""
    kind, typed = _sent()
    try:
        typed |= attached(kind) if identity().may("jobs:write") else {}
    except Invalid as error:
        return _page(kind, typed, errors=error.errors, token=request.form.get("token", ""), calling=True), 422
    if "HX-Request" in request.headers:
        return render_template("create/api_call.html", call=api_call(request.host_url, kind, typed))
    return _page(kind, typed, token=request.form.get("token", ""), calling=True)


@pages.get("/recent")
@needs("jobs:read")
def recent() -> Response:
    """The strip of recent jobs; 204 while nothing in it has changed."""
    rows = rows_of(listing.page(site().db, identity().owner.id, trials=False, limit=RECENT).items)
    return polling.redrawn(rows.version, lambda: render_template("create/recent.html", rows=rows))


def filled(kind: str, typed: Typed) -> str:
    """The page with these settings typed in."""
    return _page(kind, typed)


def _sent() -> tuple[str, Typed]:
    """The kind and what was typed, of a form that is not submitted."""
    kind = known(request.form.get("kind", ""))
    return kind, forms.from_form(kind, request.form, complete=True)


def _check_models(kind: str, typed: Typed) -> None:
    """Raises Invalid where no model is named and the library has none that could be."""
    lacking = forms.wanting(forms.fields(kind, typed, models(identity().owner.id, kind)))
    if lacking is not None and not lacking.value:
        told = needed(lacking.task) if lacking.widget == "model" else _("Make a dataset first, on the page Datasets.")
        raise Invalid(told, field=lacking.name)


def _page(
    kind: str,
    typed: Typed,
    *,
    errors: Sequence[FieldError] = (),
    source: str = "",
    token: str = "",
    calling: bool = False,
) -> str:
    owner_id = identity().owner.id
    found = listing.page(site().db, owner_id, trials=False, limit=RECENT).items
    offered = models(owner_id, kind)
    fields = forms.fields(kind, typed, offered, errors)
    return render_template(
        "create/page.html",
        kind=kind,
        declared=kinds.params_class(kind),
        kinds=[(name, kinds.params_class(name)) for name in kinds.names()],
        fields=fields,
        wanting=forms.wanting(fields),
        general=forms.general_errors(kind, errors),
        roles=forms.ROLES,
        source=source,
        seeded=bool(typed.get("seed")),
        read=request.args.get("read") == "picture",
        token=token or secrets.token_urlsafe(18),
        rows=rows_of(found),
        chips=chips(kind, typed, offered),
        estimate=estimate(kind, typed),
        call=api_call(request.host_url, kind, typed),
        calling=calling,
        changed=_changed(kind) if source else [],
        space=trials.expected(typed) if kinds.searches(kind) else None,
    )


def _changed(kind: str) -> list[str]:
    """The titles of the settings that the address gives other values than the job they came from."""
    properties = kinds.schema(kind)["properties"]
    return [properties[name].get("title", name) for name in request.args if name in properties]


def prefilled(source: str) -> tuple[str, Typed]:
    """The kind that is asked for, and the settings of the job that is remixed: all but its seed."""
    if not source:
        return known(request.args.get("kind", "")), {}
    job = listing.get(site().db, identity().owner.id, source)
    kind = known(job.kind)
    return kind, forms.from_params(kind, _typable(job.params))


def _typable(params: Mapping[str, Any]) -> dict[str, Any]:
    """The params but for the seed, and for what a step that never ran would have got from another one."""
    return {name: value for name, value in params.items() if name != "seed" and not placeholders({name: value})}


def known(kind: str) -> str:
    """The kind of this name.

    Raises:
        NotFound: there is none.
    """
    if not kind:
        return FIRST_KIND if FIRST_KIND in kinds.names() else kinds.names()[0]
    if kind not in kinds.names():
        raise NotFound(f"There is no kind “{kind[:80]}”.", field="kind")
    return kind


def models(owner_id: str, kind: str) -> list[ModelChoice]:
    """What the fields of a kind may name: models of the library and, where it trains on some, the reader's datasets."""
    found = [ModelChoice(each.name, each.title, each.task) for each in library.list_models(site().db, owner_id)]
    if kinds.params_class(kind).dataset_formats():
        found += [
            ModelChoice(each.name, _named(each),
                        f"{forms.DATASET}{each.latest.format}")
            for each in datasets.list_datasets(site().db, owner_id)
        ]  # fmt: skip
    return found


def _named(dataset: Dataset) -> str:
    """A dataset as a choice names it."""
    rows = plural("%(num)s row", "%(num)s rows", dataset.latest.rows)
    return _("%(name)s (%(rows)s)", name=dataset.title, rows=rows)


def _once(token: str, kind: str, typed: dict[str, Any]) -> str:
    """One key for one form with one content: going back to change a word makes a new job, a double click does not."""
    content = json.dumps([kind, typed], sort_keys=True).encode()
    sent = hashlib.sha256(token.encode()).hexdigest()[:24] if token else secrets.token_hex(12)
    return f"page-{sent}-{hashlib.sha256(content).hexdigest()[:24]}"
