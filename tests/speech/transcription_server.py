"""A real HTTP server that speaks as transcription servers do, or as a test wants it to."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    """One request: what was sent, by name; the audio under `file`."""

    path: str
    fields: dict[str, bytes]
    key: str

    def said(self, name: str) -> str:
        return self.fields.get(name, b"").decode()


@dataclass
class Server:
    """Where it is, what it was asked for, how many were in work at a time."""

    place: str = ""
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def source(self) -> str:
        return f"http://{self.place}/v1#tiny"


def told(body: Any, status: int = 200, **headers: str) -> Answer:
    return status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()


@contextmanager
def transcription_server(answer: Callable[[Asked], Answer]) -> Iterator[Server]:
    """A server on a port of its own that answers transcriptions by `answer`; it offers the model `tiny`."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(
                answer(self._asked(b"")) if self.path != "/v1/models" else told({"data": [{"id": "tiny"}]})
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with server.lock:
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            asked = self._asked(body)
            server.asked.append(asked)
            reply = answer(asked)
            with server.lock:
                server.at_once -= 1
            self._send(reply)

        def _asked(self, body: bytes) -> Asked:
            return Asked(self.path, _fields(body), self.headers.get("Authorization", ""))

        def _send(self, reply: Answer) -> None:
            status, headers, content = reply
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.place = f"127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def _fields(body: bytes) -> dict[str, bytes]:
    """The parts of a multipart body by their names."""
    parts = body.split(body.split(b"\r\n", 1)[0]) if body else []
    found = {}
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        if name := re.search(rb'name="([^"]+)"', head):
            found[name[1].decode()] = content[:-2]
    return found
