"""A FHIR server of an EHR for tests: a real HTTP server on loopback that answers as it is told to."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Ehr:
    """`records` are what it has; `answers` overrules it by path (`/Condition`). `asked` is what was asked of it."""

    address: str = ""
    records: list[Json] = field(default_factory=list)
    answers: dict[str, Callable[[str], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    page_size: int = 1000

    def answer(self, target: str) -> Answer:
        """What it answers to a path with a query."""
        url = urlsplit(target)
        path = url.path.removeprefix("/fhir")
        if path in self.answers:
            return self.answers[path](target)
        _, name, *ids = path.split("/")
        if ids:
            found = [each for each in self.records if (each["resourceType"], each["id"]) == (name, ids[0])]
            return (200, {}, json.dumps(found[0]).encode()) if found else (404, {}, b"{}")
        query = parse_qs(url.query)
        codes = {each.rpartition("|")[2] for each in query.get("code", [""])[0].split(",")} - {""}
        matches = [each for each in self.records if each["resourceType"] == name and _is_coded(each, codes)]
        start = int(query.get("_start", ["0"])[0])
        entries = [{"resource": each} for each in matches[start : start + self.page_size]]
        links = [{"relation": "self", "url": f"{self.address}{path}?{url.query}"}]
        if start + self.page_size < len(matches):
            further = f"{self.address}{path}?{url.query}&_start={start + self.page_size}"
            links.append({"relation": "next", "url": further})
        bundle = {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}
        return 200, {}, json.dumps(bundle).encode()


def _is_coded(resource: Json, codes: set[str]) -> bool:
    return not codes or bool(codes & {each["code"] for each in resource["code"]["coding"]})


@contextmanager
def ehr(*records: Json) -> Iterator[Ehr]:
    """One that runs as long as it is needed."""
    server = Ehr(records=list(records))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append((self.path, self.headers.get("Authorization", "")))
            status, headers, body = server.answer(self.path)
            self.send_response(status)
            for each in headers.items():
                self.send_header(*each)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a connection that was to break

    http = Server(("127.0.0.1", 0), Handler)
    server.address = f"http://127.0.0.1:{http.server_address[1]}/fhir"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)


def says(status: int, body: object = None, **headers: str) -> Callable[[str], Answer]:
    """An answer that is always the same."""
    return lambda _: (status, headers, json.dumps(body or {}).encode())


def slow(seconds: float) -> Callable[[str], Answer]:
    """An answer that takes its time, and is empty."""

    def answer(_: str) -> Answer:
        time.sleep(seconds)
        return 200, {}, b'{"resourceType": "Bundle", "type": "searchset"}'

    return answer


def breaks(_: str) -> Answer:
    """The connection, instead of an answer."""
    raise ConnectionAbortedError


def after(times: int, first: Callable[[str], Answer], then: Callable[[str], Answer]) -> Callable[[str], Answer]:
    """So many answers of one kind, and another from then on."""
    count = 0

    def answer(target: str) -> Answer:
        nonlocal count
        count += 1
        return (first if count <= times else then)(target)

    return answer
