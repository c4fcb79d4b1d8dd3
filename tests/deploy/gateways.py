"""The gateways of `deploy/gateway` as processes on loopback: as shipped, with only addresses and files changed."""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-tools" / "bin"
CONFIGURATIONS = ROOT / "deploy" / "gateway"
ISSUER = "https://login.hospital.example"
AUDIENCE = "https://trials.hospital.example/eligo"
_START_S = 30


class Tls(NamedTuple):
    """A certificate of its own authority for 127.0.0.1 and for the name of the login server, and its key."""

    certificate: Path
    key: Path


class Gateway(NamedTuple):
    """One that runs: its address with the prefix, that of its unencrypted port, and what it logs."""

    name: str
    address: str
    plain: str
    log: Path
    folder: Path


def make_tls(folder: Path) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Eligo tests")])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.DNSName("login.hospital.example"),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Tls(folder / "tls.crt", folder / "tls.key")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@contextmanager
def answering(handler: type[http.server.BaseHTTPRequestHandler], tls: Tls | None = None) -> Iterator[int]:
    """A small server on loopback; its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def keys_of(keys: dict[str, Any]) -> type[http.server.BaseHTTPRequestHandler]:
    """A login server that gives out these keys."""

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(keys).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Keys


class Echo(http.server.BaseHTTPRequestHandler):
    """A service that tells what reaches it."""

    def do_GET(self) -> None:
        told = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def find(name: str, variable: str) -> str:
    """The program, or a skip that says what would bring it."""
    at_tools = TOOLS / name
    found = os.environ.get(variable) or (str(at_tools) if at_tools.is_file() else None) or shutil.which(name)
    for folder in ("/usr/sbin", "/usr/local/sbin"):
        found = found or shutil.which(name, path=folder)
    if found is None:
        pytest.skip(f"No {name} on this machine: `make tools` brings Envoy, `apt-get install nginx-light` nginx.")
    return found


@contextmanager
def gateway(name: str, folder: Path, tls: Tls, service: int, login: int) -> Iterator[Gateway]:
    """One of the two before a service on `service`, with a login server on `login`; it must end well."""
    folder.mkdir()
    secure, plain = free_port(), free_port()
    log = folder / "log"
    if name == "nginx":
        command = _nginx(folder, tls, service, secure, plain)
    else:
        command = _envoy(folder, tls, service, login, secure, plain)
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        try:
            _wait(secure, process, log)
            _wait(plain, process, log)
            yield Gateway(name, f"https://127.0.0.1:{secure}/eligo", f"http://127.0.0.1:{plain}/eligo", log, folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    assert process.returncode in {0, -signal.SIGTERM}, log.read_text()


def _nginx(folder: Path, tls: Tls, service: int, secure: int, plain: int) -> list[str]:
    program = find("nginx", "ELIGO_NGINX")
    text = (CONFIGURATIONS / "nginx.conf").read_text()
    changes = {
        "listen 8080;": f"listen 127.0.0.1:{plain};",
        "listen 8443 ssl http2;": f"listen 127.0.0.1:{secure} ssl http2;",
        "server eligo:8000 ": f"server 127.0.0.1:{service} ",
        "/run/secrets/tls.crt": str(tls.certificate),
        "/run/secrets/tls.key": str(tls.key),
        "worker_processes auto;": f"worker_processes 1;{' user root;' if os.geteuid() == 0 else ''}",
    }
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    text = text.replace("/run/nginx", str(folder))
    made = folder / "nginx.conf"
    made.write_text(text)
    return [program, "-e", "/dev/stderr", "-c", str(made), "-g", "daemon off;"]


def _envoy(folder: Path, tls: Tls, service: int, login: int, secure: int, plain: int) -> list[str]:
    program = find("envoy", "ELIGO_ENVOY")
    text = (CONFIGURATIONS / "envoy.yaml").read_text()
    for old, new in {
        "/run/secrets/tls.crt": str(tls.certificate),
        "/run/secrets/tls.key": str(tls.key),
        "/etc/ssl/certs/ca-certificates.crt": str(tls.certificate),
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    given = yaml.safe_load(text)["static_resources"]
    for listener, port in zip(given["listeners"], (secure, plain), strict=True):
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    for cluster, port in zip(given["clusters"], (service, login), strict=True):
        endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        endpoint["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    made = folder / "envoy.json"
    made.write_text(json.dumps({"static_resources": given}))
    return [
        program,
        "-c",
        str(made),
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
        "--log-level",
        "warning",
        "--file-flush-interval-msec",
        "100",
    ]


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"the gateway never listened: {log.read_text()}")
