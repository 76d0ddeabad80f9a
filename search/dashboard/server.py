"""Serves Optuna's dashboard on this machine alone, on a free port, to who asks for this machine by name."""

from __future__ import annotations

import json
import re
import socketserver
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

LOOPBACK = "127.0.0.1"

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application, PEP 3333."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread a request: a browser asks for several things at once."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Says nothing of each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def serve(app: App, port: int = 0) -> WSGIServer:
    """A server of a :func:`guarded` application that listens already; ``serve_forever`` runs it.

    Port 0 is any free one.

    Raises:
        OSError: where the port can't be had.
    """
    return make_server(LOOPBACK, port, app, server_class=_Server, handler_class=_Quiet)


def guarded(app: App, *, notes: bool = True) -> App:
    """The application, for requests that name this machine and change nothing but a note.

    Without ``notes`` they change none either: who may only read the storage can keep none in it.

    A page of another site can make a browser on this machine ask here under that site's own name, having
    pointed the name to 127.0.0.1 (DNS rebinding). And it could read what is answered to every origin.
    """

    def guard(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not is_this_machine(environ.get("HTTP_HOST", "")):
            return _refuse(start_response, "this dashboard is for this machine alone")
        if not changes_at_most_a_note(environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")):
            return _refuse(start_response, "the dashboard shows the study and changes nothing but notes")
        if not notes and environ["REQUEST_METHOD"] == "PUT":
            return _refuse(start_response, "you may read this study and not write it, so no note can be kept")

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [header for header in headers if header[0].lower() != "access-control-allow-origin"]
            return start_response(status, kept, *more)

        return app(environ, start)

    return guard


def changes_at_most_a_note(method: str, path: str) -> bool:
    """Whether a request reads, or writes the note of a study or of a trial."""
    return method in ("GET", "HEAD") or (
        method == "PUT" and re.fullmatch(r"/api/studies/\d+(/\d+)?/note/?", path) is not None
    )


def is_this_machine(host: str) -> bool:
    """Whether a request's Host header names this machine, with any port: it may come through a tunnel."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name in ("localhost", LOOPBACK, "[::1]")


def _refuse(start_response: Callable[..., Any], reason: str) -> Iterable[bytes]:
    start_response("403 Forbidden", [("Content-Type", "application/json")])
    return [json.dumps({"reason": reason}).encode()]
