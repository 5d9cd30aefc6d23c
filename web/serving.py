"""What granian calls in each of its processes. It kills none of them when it is killed itself; the kernel does."""

import gc
from multiprocessing import parent_process

from flask import Flask

from shared.logging import begin as begin_logging
from shared.process import die_with_parent
from shared.settings import Settings
from web import app


def create_app() -> Flask:
    """The application, in a process that ends with granian's own."""
    granian = parent_process()
    die_with_parent(parent=granian.pid if granian else None)
    settings = Settings()
    begin_logging(settings)
    made = app.create_app(settings)
    for name in made.jinja_env.list_templates(extensions=("html",)):
        made.jinja_env.get_template(name)  # compiled now, so that no first reader waits for it
    gc.collect()
    gc.freeze()  # what was made so far stays; no later collection has to walk through it
    return made
