"""A browser's session: Flask's signed cookie."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface


class Sessions(SecureCookieSessionInterface):
    """As Flask's, but a request without a cookie, as every program's is, pays for no signing."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session in the request's cookie, or an empty one."""
        return super().open_session(app, request) if "HTTP_COOKIE" in request.environ else self.session_class()
