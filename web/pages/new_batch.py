"""A new batch: settings varied, a list pasted, or a file sent, by one form that needs no script."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shared import batches
from shared.batch import Batch
from shared.errors import FieldError, Invalid, TooMany, WrongMedia
from shared.sources import Source
from shared.text import UNSTORABLE, storable
from web import forms
from web.api.batches import file_source
from web.auth import identity, needs
from web.pages import batch_forms
from web.pages.attached import attached
from web.pages.batch_forms import MAX_TITLE, TITLE, BatchForm
from web.pages.create import known, models, prefilled
from web.pages.translation import _
from web.site import site
from web.uploads import receive, takes_upload

pages = Blueprint("new_batch", __name__, url_prefix="/batches/new")

MAX_ADDRESS = 4000
"""Characters of an address that every browser and proxy takes."""

FILE = f"{batch_forms.OWN}file"


@pages.get("")
@needs("jobs:read")
def show() -> str:
    """The form, empty or filled from a job (`from`) and from the address."""
    kind, typed = prefilled(request.args.get("from", ""))
    asked = batch_forms.read(kind, request.args, complete=False)
    return _page(replace(asked, typed=typed | asked.typed))


@pages.post("/begin")
@needs("jobs:write")
@takes_upload
def begin() -> Response | tuple[str, int] | str:
    """From Create, with what was typed there: by its address, or at once where that would be too long."""
    kind = known(request.form.get("kind", ""))
    typed = forms.from_form(kind, request.form, complete=True)
    try:
        typed |= attached(kind)
    except Invalid as error:
        return _page(BatchForm(kind, typed=typed), errors=error.errors), 422
    query = urlencode(batch_forms.address(kind, typed))
    if len(query) > MAX_ADDRESS:
        return _page(BatchForm(kind, typed=typed))
    return redirect(f"{url_for('new_batch.show')}?{query}", 303)


@pages.post("")
@needs("jobs:write")
@takes_upload
def submit() -> Response | tuple[str, int] | str:
    """Submit the form; the same form sent twice is one batch. With `count` it is only drawn again, with its number."""
    kind = known(request.form.get("kind", ""))
    asked = batch_forms.read(kind, request.form, complete=True)
    token = request.form.get("token", "")
    try:
        asked = replace(asked, typed=asked.typed | attached(kind))
        if "count" in request.form:
            return _page(asked, token=token)
        made = _submit(asked, token)
    except Invalid as error:
        return _page(asked, errors=error.errors, token=token), error.status
    except (TooMany, WrongMedia) as error:
        field = FILE if isinstance(error, WrongMedia) else ""
        return _page(asked, errors=[{"field": field, "message": str(error)}], token=token), error.status
    site().ringer.ring(made.pool)
    return redirect(url_for("batch.show", batch_id=made.id), 303)


def _submit(asked: BatchForm, token: str) -> Batch:
    if len(asked.title) > MAX_TITLE:
        raise Invalid(_("Must be %(n)s characters or fewer.", n=MAX_TITLE), field=TITLE)
    if not storable(asked.title):
        raise Invalid(UNSTORABLE, field=TITLE)
    with _source(asked) as source:
        submitted = batches.submit(
            site().db,
            identity().owner,
            asked.kind,
            source,
            title=asked.title or None,
            idempotency_key=_once(token, asked, source),
        )
    return submitted.batch


@contextmanager
def _source(asked: BatchForm) -> Iterator[Source]:
    if asked.way != "file":
        yield asked.source()
        return
    sent = request.files.get(FILE)
    if sent is not None and not sent.filename:
        raise Invalid(_("Choose a file."), field=FILE)
    with receive(FILE) as upload:
        yield file_source(asked.kind, {}, upload)


def _page(asked: BatchForm, *, errors: Sequence[FieldError] = (), token: str = "") -> str:
    kind = asked.kind
    lines = asked.way != "vary"
    fields = forms.fields(kind, asked.typed, models(identity().owner.id, kind), [] if lines else errors)
    return render_template(
        "batches/new.html",
        asked=asked,
        kind=kind,
        fields=fields,
        vary=batch_forms.vary_fields(asked, fields, errors),
        roles=forms.ROLES,
        sample=batch_forms.sample(kind),
        # Of a list and of a file every fault belongs to its one field.
        faults=[each for each in errors if lines and each["field"] != TITLE],
        title_error=next((each["message"] for each in errors if each["field"] == TITLE), None),
        general=[] if lines else batch_forms.general(errors, fields),
        token=token or secrets.token_urlsafe(18),
    )


def _once(token: str, asked: BatchForm, source: Source) -> str:
    """One key for one form with one content: going back to change a word makes a new batch, a double click does not."""
    content = f"{asked.kind}\n{asked.title}\n{source.fingerprint()}"
    sent = hashlib.sha256(token.encode()).hexdigest()[:24] if token else secrets.token_hex(12)
    return f"page-{sent}-{hashlib.sha256(content.encode()).hexdigest()[:24]}"
