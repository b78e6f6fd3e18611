"""A local server that answers as IRSA and the SNAD knowledge base do, with faults on demand."""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import time
from collections.abc import Iterable
from functools import cached_property
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from rbztf.simulate.archive import images, lightcurves, search, tap
from rbztf.simulate.archive.answers import Answer, BadRequest, Query, page, votable_error
from rbztf.simulate.archive.faults import Faults
from rbztf.simulate.archive.knowledge import knowledge
from rbztf.simulate.archive.realquadrant import RealQuadrant
from rbztf.simulate.archive.requestlog import RequestLog
from rbztf.simulate.sky import SimulatedSky

LIGHT_CURVES = "/cgi-bin/ZTF/nph_light_curves"
SEARCH = "/ibe/search/ztf/products/sci"
TRICKLE_PIECES = 20


class SimulatedArchive:
    """The archive of a simulated sky on a local socket; a context manager.

    Parameters
    ----------
    sky : SimulatedSky
    faults : Faults, optional
        None: every answer is good.
    quadrants : iterable of Path
        Real quadrant files to serve as well.
    latency_s : float
        Time until every answer, the making of it included.
    host, port : str, int
        Where to listen; port 0 takes a free one.

    Attributes
    ----------
    url : str
        Address without a slash at the end.
    requests : RequestLog
    """

    def __init__(
        self,
        sky: SimulatedSky,
        *,
        faults: Faults | None = None,
        quadrants: Iterable[Path | str] = (),
        latency_s: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.sky = sky
        self.faults = faults
        self.latency_s = latency_s
        self.requests = RequestLog()
        self._images = images.ImageService(sky, [RealQuadrant(path) for path in quadrants])
        self._server = _Server((host, port), _Handler)
        self._server.archive = self
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and hang up on every client."""
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()

    @cached_property
    def missing_images(self) -> frozenset[str]:
        """Names of the images of light-curve epochs that answer 404, whenever they are asked for."""
        return self._never("missing")

    @cached_property
    def off_chip_images(self) -> frozenset[str]:
        """Names of the images of light-curve epochs that answer 400, whenever they are asked for."""
        return self._never("off_chip")

    def _never(self, kind: str) -> frozenset[str]:
        if self.faults is None:
            return frozenset()
        paths = {path for oid in self.sky.oids for path in self.sky.image_paths(oid)}
        names = {path.rpartition("/")[2] for path in paths}
        return frozenset(name for name in names if self.faults.of_image(name) == kind)

    def answer(self, path: str, query: Query) -> Answer:
        """The faultless answer to a request."""
        try:
            return self._route(path, query)
        except BadRequest as error:
            if path.startswith("/ibe/"):
                return Answer(f"{error}\n".encode(), status=400)
            return votable_error(str(error))

    def _route(self, path: str, query: Query) -> Answer:
        kind = kind_of(path)
        if kind == "light_curve":
            return lightcurves.light_curves(self.sky, query)
        if kind == "image":
            never = self.faults.of_image(path.rpartition("/")[2]) if self.faults else None
            if never:
                return Answer(f"{never}\n".encode(), status=404 if never == "missing" else 400)
            return self._images.answer(path, query)
        if kind == "search":
            return search.search(self.sky, query)
        if kind == "tap":
            service = path.removeprefix("/TAP/")
            if service == "sync":
                return tap.sync(self.sky, query)
            return tap.described(service) if service in tap.DESCRIBED else page("404 Not Found", 404)
        if kind == "knowledge":
            return knowledge(self.sky, path)
        return page("404 Not Found", 404)

    def wrong(self, path: str, query: Query) -> Answer:
        """An answer to something else than was asked."""
        other = self._images.elsewhere(path, query) if kind_of(path) == "image" else None
        return other or page("Service maintenance")


def kind_of(path: str) -> str:
    """Which service a path belongs to."""
    if path == LIGHT_CURVES:
        return "light_curve"
    if path.startswith(images.ROOT):
        return "image"
    if path == SEARCH:
        return "search"
    if path.startswith("/TAP/"):
        return "tap"
    if path.startswith(("/objects/", "/tags/")):
        return "knowledge"
    return "unknown"


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    archive: SimulatedArchive

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.stopping = Event()
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking the name service who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self.archive.requests.opened()
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wake up every thread that waits for a client."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed meanwhile

    def handle_error(self, request: object, client_address: object) -> None:
        """Record errors of the server; a client that hangs up is not an error of the server."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.archive.requests.failed(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve(urlsplit(self.path).query)

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        self._serve(urlsplit(self.path).query + "&" + form)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the request log counts."""

    def _serve(self, text: str) -> None:
        archive, path = self.server.archive, urlsplit(self.path).path
        query = Query(parse_qsl(text, keep_blank_values=True))
        with archive.requests.request(kind_of(path), self.path) as asked:
            fault = archive.faults.of_answer(self.path, asked) if archive.faults else None
            due_s = time.monotonic() + archive.latency_s
            answer = self._spoiled(archive, fault, path, query)
            time.sleep(max(0.0, due_s - time.monotonic()))
            archive.requests.sent(answer.status, fault)
            self._send(answer, fault)

    def _spoiled(self, archive: SimulatedArchive, fault: str | None, path: str, query: Query) -> Answer:
        """The answer, as far as the fault changes what it says."""
        if fault in ("429", "500", "503"):
            wait = str(archive.faults.retry_after_s if archive.faults else 0)
            headers = {} if fault == "500" else {"Retry-After": wait}
            return Answer(b"try again later\n", status=int(fault), headers=headers)
        if fault == "bad_request":
            return Answer(b"Bad Request\n", status=400)
        if fault == "html":
            return page("Service maintenance")
        if fault == "votable_error":
            return votable_error("the database is busy")
        if fault == "wrong_image":
            return archive.wrong(path, query)
        if fault == "latency" and archive.faults:
            time.sleep(archive.faults.latency_s)
        answer = archive.answer(path, query)
        if fault in ("lost_bytes", "inserted_bytes") and archive.faults:
            body = archive.faults.shifted(answer.body, self.path, lost=fault == "lost_bytes")
            return Answer(body, answer.content_type, answer.status)
        if fault == "short_body":
            return Answer(answer.body[: len(answer.body) // 2], answer.content_type, answer.status)
        return answer

    def _send(self, answer: Answer, fault: str | None) -> None:
        if fault == "reset":
            self._reset()
            return
        if fault == "cut_line":
            self._cut_line(answer)
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "truncated":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        elif fault == "trickle":
            self._trickle(answer.body)
        else:
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _cut_line(self, answer: Answer) -> None:
        """The first half of the lines, closed by hanging up, which is how some servers end an answer."""
        lines = answer.body.splitlines(keepends=True)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.end_headers()
        self.wfile.write(b"".join(lines[: len(lines) // 2]))
        self.wfile.flush()
        self.close_connection = True

    def _trickle(self, body: bytes) -> None:
        faults = self.server.archive.faults
        pause_s = faults.trickle_s / TRICKLE_PIECES if faults else 0.0
        step = -(-len(body) // TRICKLE_PIECES) or 1
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
            if self.server.stopping.wait(pause_s):
                return

    def _reset(self) -> None:
        """Close so that the client's kernel sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
