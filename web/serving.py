"""What granian calls in each of its processes. It kills none of them when it is killed itself; the kernel does."""

from flask import Flask

from shared.process import die_with_parent
from web import app


def create_app() -> Flask:
    """The application, in a process that ends with granian's own."""
    die_with_parent()
    return app.create_app()
