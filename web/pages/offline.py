"""The page that a browser shows while the site cannot be reached, and the worker script that keeps it there."""

import hashlib

from flask import Blueprint, Response, render_template, url_for

from web.auth import public
from web.pages.assets import SCRIPTS, STYLES, asset
from web.pages.translation import language

pages = Blueprint("offline", __name__)


@pages.get("/offline")
@public
def show() -> str:
    """The page; the browser fetches it ahead of the need."""
    return render_template("offline.html")


@pages.get("/worker.js")
@public
def worker() -> Response:
    """The script. Its text changes with what it keeps, which is how a browser learns of a new one."""
    files = [asset(f"css/{name}.css") for name in STYLES] + [asset(f"js/{name}.js") for name in SCRIPTS]
    files += [asset("vendor/htmx.js"), asset("vendor/icons.svg"), asset("favicon.svg")]
    files.append(url_for("static", filename="vendor/inter.woff2"))
    # The page is kept in the reader's language, and anew when that changes.
    version = hashlib.sha256("\n".join([*files, language()]).encode()).hexdigest()[:12]
    answer = Response(render_template("worker.js", files=files, version=version), mimetype="text/javascript")
    answer.headers["Cache-Control"] = "no-cache"
    return answer
