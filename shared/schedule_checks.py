"""Whether a schedule's next run could be submitted: looked at when it is made, changed or resumed."""

from datetime import datetime

from shared import batches, cron, jobs, kinds, ticks
from shared.db import Database
from shared.errors import FieldError, Invalid, NotFound
from shared.owners import Owner
from shared.schedule import Terms
from shared.templates import Template


def checked(db: Database, owner: Owner, terms: Terms, now: datetime, run: int) -> tuple[Terms, datetime]:
    """The terms with their cron spelt out, and the next due tick; all that a run needs is looked at now.

    Raises:
        Invalid: wrong cron, zone, variable, kind or params, or an unknown model or device.
    """
    terms = terms.model_copy(update={"cron": cron.parse(terms.cron)})
    due = next(cron.ticks(terms.cron, cron.zone(terms.zone), now), None)
    if due is None:
        raise Invalid("No due tick comes within 50 years.", code="bad_cron", field="cron")
    _check_template(db, owner, ticks.filled(terms, due, run))
    return terms, due


def _check_template(db: Database, owner: Owner, template: Template) -> None:
    content = template.content
    here, own = ("template.job", {"device"})
    if template.batch is not None:
        here, own = ("template.batch", {"device", "vary", "params"})
    try:
        if template.batch is None:
            jobs.check(db, owner.id, kinds.validate(content.kind, content.params), content.device)
        else:
            source, asked = ticks.batch_of(template.batch)
            batches.check(db, owner, content.kind, source, asked)
    except NotFound as error:
        raise Invalid(str(error), code="unknown_kind", field=f"{here}.kind") from error
    except Invalid as error:
        raise _within(here, own, error) from error


def _within(place: str, own: set[str], error: Invalid) -> Invalid:
    """The same complaint, its fields named from the top of the request; what is not the template's own is a param."""
    told: list[FieldError] = []
    for each in error.errors:
        inner = f"{place}.{each['field']}" if each["field"].split(".")[0] in own else f"{place}.params.{each['field']}"
        told.append({"field": inner.rstrip("."), "message": each["message"]})
    return Invalid(str(error), code=error.code, field=told[0]["field"], errors=told)
