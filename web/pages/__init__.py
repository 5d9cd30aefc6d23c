"""The pages that people use, one module a page; drawn by the server, alive with a little script, whole without it."""

from datetime import timedelta

from flask import Flask, g, request

from shared import listing
from shared.errors import AtelierError
from shared.job import JobState
from web.auth import csrf_token, identity
from web.pages import (
    attached,
    batch,
    batches,
    check_file,
    create,
    datasets,
    devices,
    due,
    from_picture,
    gallery,
    job,
    jobs,
    judging,
    keys,
    language,
    login,
    model,
    models,
    new_batch,
    new_workflow,
    offline,
    palette,
    places,
    schedule,
    schedules,
    sentences,
    suggestions,
    training,
    translation,
    trials,
    uploads,
    usable,
    wording,
    workflow,
    workflows,
)
from web.pages.assets import SCRIPTS, STYLES, asset, icon_address
from web.site import site

BLUEPRINTS = (
    create.pages,
    from_picture.pages,
    gallery.pages,
    uploads.pages,
    check_file.pages,
    jobs.pages,
    job.pages,
    trials.pages,
    judging.pages,
    training.pages,
    devices.pages,
    models.pages,
    model.pages,
    datasets.pages,
    keys.pages,
    batches.pages,
    batch.pages,
    new_batch.pages,
    schedules.pages,
    schedule.pages,
    workflows.pages,
    workflow.pages,
    new_workflow.pages,
    login.pages,
    language.pages,
    offline.pages,
)

STAY = timedelta(days=30)
"""How long a browser stays logged in; its key may end sooner."""

THEMES = ("light", "dark")

LIVE = (JobState.QUEUED, JobState.RUNNING)


def register(app: Flask) -> None:
    """Add the pages and the words that their templates use."""
    app.config.update(PERMANENT_SESSION_LIFETIME=STAY, SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365))
    translation.register(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        ago=wording.ago,
        ahead=due.ahead,
        clock=wording.clock,
        duration=wording.duration,
        exact=wording.exact,
        figure=wording.figure,
        label=wording.label,
        listed=wording.listed,
        offset=due.offset,
        said=sentences.shown,
        size=wording.size,
        wall=due.wall,
        word=wording.word,
    )
    app.jinja_env.globals.update(
        SCRIPTS=SCRIPTS,
        SMALL=places.SMALL,
        STYLES=STYLES,
        add_model_address=suggestions.add_address,
        asset=asset,
        chosen_file=attached.chosen,
        csrf_token=csrf_token,
        event_sentence=wording.event_sentence,
        icon_address=icon_address,
        kind_groups=palette.groups,
        language_tag=translation.tag,
        live_jobs=_live_jobs,
        may=places.may,
        model_needed=suggestions.needed,
        model_source=suggestions.source,
        other_language=language.switch,
        places=places.places,
        plural=translation.plural,
        recent_files=attached.recent,
        signed_in=lambda: "identity" in g,
        state_word=wording.state_word,
        job_word=wording.job_word,
        theme=_theme,
        uses_of=usable.uses,
    )
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)


def _theme() -> str | None:
    """The reader's own choice; None follows the system's."""
    chosen = request.cookies.get("theme")
    return chosen if chosen in THEMES else None


def _live_jobs() -> int:
    """How many of the reader's jobs wait or run; nobody's, where the database does not answer."""
    try:
        return sum(listing.counts(site().db, identity().owner.id, states=LIVE).values())
    except AtelierError:
        return 0
