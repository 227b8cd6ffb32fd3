"""`atml dashboard`: Optuna's Dashboard on a database of ours, in this process, on loopback.

The Dashboard has no login, and its buttons for deleting, renaming and finishing know nothing of our tables
beside Optuna's: a study deleted there leaves slots behind that a later study of the same name would use.
Such requests are refused here. The address of the database never leaves this process.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import ipaddress
import json
import logging
import os
import re
import signal
import socket
import sys
import threading
import warnings
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from atml import listening
from atml.errors import MissingExtraError

if TYPE_CHECKING:
    from atml.dashboard.read_only_storage import Overlay
    from atml.storage import Store

UPLOADS = "dashboard_files"
"""Folder beside the database that uploads go to."""

_STUDY = "/api/studies/<study_id:int>"
_IMPORTANCES = f"{_STUDY}/param_importances"
_REFUSED = (
    (
        "DELETE",
        r"/api/studies/\d+",
        "use `atml study delete`, which deletes everything that belongs to a study",
    ),
    (
        "POST",
        r"/api/studies/\d+/rename",
        "a study keeps its name; `atml study copy --as NAME` makes a copy of another name",
    ),
    ("POST", r"/api/trials/\d+/tell", "only a search sets how a trial ended"),
    ("POST", r"/api/trials/\d+/user-attrs", "only a search writes to its trials"),
)
"""Requests that would make our tables and Optuna's disagree: method, path, what to do instead."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Noted:
    """A plugin of the Dashboard's web framework: adds notes and importances to its answers about a study.

    A note that a person wrote is in the database and stays as it is. Importances are those of the report: the
    Dashboard's own are of the few trials that ran over every fold, and would say something else.
    """

    name = "atml-notes"
    api = 2

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        """Wrap the two views that say what the Dashboard can't know."""
        if (route.method, route.rule) == ("GET", _IMPORTANCES):
            return functools.partial(self._importances, callback)
        if (route.method, route.rule) != ("GET", _STUDY):
            return callback

        def view(study_id: int, **rest: Any) -> Any:
            answer = callback(study_id=study_id, **rest)
            if isinstance(answer, dict) and "trials" in answer:
                self._add(study_id, answer)
            return answer

        return view

    def _importances(self, callback: Callable[..., Any], study_id: int) -> Any:
        found = self._overlay.importances(study_id)
        return callback(study_id=study_id) if found is None else {"param_importances": [found]}

    def _add(self, study_id: int, answer: dict[str, Any]) -> None:
        if not answer["note"]["body"]:
            answer["note"]["body"] = self._overlay.study_note(study_id)
        bare = [t for t in (*answer["trials"], *answer["best_trials"]) if not t["note"]["body"]]
        texts = self._overlay.trial_notes(study_id, [trial["number"] for trial in bare])
        for trial in bare:
            trial["note"]["body"] = texts.get(trial["number"], "")


def application(store: Store, reports: Path = Path("reports"), *, local: bool = True) -> Wsgi:
    """Return the Dashboard on a database as a WSGI application; ``local`` where it listens on loopback.

    Raises MissingExtraError where optuna-dashboard is not installed.
    """
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise MissingExtraError("`atml dashboard`", "dashboard")
    import optuna_dashboard

    from atml.dashboard.artifact_store import Shelf
    from atml.dashboard.read_only_storage import Overlay

    shelf = Shelf(_beside(store) / UPLOADS)
    overlay = Overlay(store, shelf, reports)
    app: Any = optuna_dashboard.wsgi(overlay, artifact_store=shelf)
    app.install(Noted(overlay))
    return guarded(app, local=local)


def guarded(app: Wsgi, *, local: bool = True) -> Wsgi:
    """Refuse the requests of `_REFUSED`, and those from pages of other sites; pass the rest to ``app``.

    A ``local`` application answers only to names of this machine, because a site may give its own name a
    loopback address.
    """

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        # Read as the framework behind it reads them.
        method = environ["REQUEST_METHOD"].upper()
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "ignore").rstrip("/")
        reasons = [why for verb, form, why in _REFUSED if method == verb and re.fullmatch(form, path)]
        origin = environ.get("HTTP_ORIGIN", "")
        if origin and origin.split("//")[-1] != environ.get("HTTP_HOST"):
            reasons.append(f"the request comes from a page of {origin}, which is not this server's")
        host = environ.get("HTTP_HOST", "")
        if local and not _is_here(host):
            reasons.append(f"{host!r} is not a name of this machine")
        if reasons:
            body = json.dumps({"reason": f"refused: {reasons[0]}"}).encode()
            length = ("Content-Length", str(len(body)))
            start("403 Forbidden", [("Content-Type", "application/json"), length])
            return [body]
        return app(environ, start)

    return answer


def _is_here(host: str) -> bool:
    """Whether a request's Host names this machine, by a loopback address or as localhost."""
    name = re.sub(r":\d+$", "", host).strip("[]").lower().rstrip(".")
    try:
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _beside(store: Store) -> Path:
    """Return the folder of an SQLite file, the working directory for any other database."""
    file = Path(store.name)
    return file.absolute().parent if file.is_file() else Path.cwd()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 32

    def server_bind(self) -> None:
        """Bind without looking up our own name: that would be a request to a name server."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about a browser that closed the connection during an answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: nobody reads it."""

    def address_string(self) -> str:
        """Return the address as it is, without asking for its name."""
        return str(self.client_address[0])


def bind(app: Wsgi, host: str, port: int) -> _Server:
    """Listen on a port, 0 for any; raises InputError that names a free one where it is taken."""
    kind = _Server6 if ":" in host else _Server

    def opens(port: int) -> _Server:
        return kind((host, port), _Handler)

    try:
        server = opens(port)
    except OSError as error:
        raise listening.refusal(error, host, port, lambda other: opens(other).server_close()) from error
    server.set_app(app)
    return server


def address(server: _Server, path: str = "") -> str:
    """Return the address to type into a browser here."""
    return listening.url(str(server.server_name), server.server_port, path)


def open_browser(url: str) -> bool:
    """Open a desktop's browser; False where there is none, or only one that runs in a terminal."""
    seen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform.startswith("linux") and not seen:
        return False
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM stop the server as Ctrl-C does; only the main thread can set that up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def serve(server: _Server) -> None:
    """Answer requests until Ctrl-C or SIGTERM, then close.

    Warnings of the Dashboard, mostly about importances of few trials, are shown on its pages too.
    """
    logging.getLogger("optuna_dashboard").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), _stopped_by_signals(), contextlib.suppress(KeyboardInterrupt):
            warnings.simplefilter("ignore")
            server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()
