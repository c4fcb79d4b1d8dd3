"""`eligo serve` in a process of its own, on loopback and a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator


class Served(NamedTuple):
    """Its address, and the file its output goes to."""

    address: str
    log: Path


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator[Served]:
    """A server that is ready, with a database in `folder`; it must end well, and its workers with it."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    served = Served(f"http://127.0.0.1:{port}", folder / "log")
    environment = {
        **os.environ,
        "ELIGO_DATABASE_URL": f"sqlite:///{folder}/new/eligo.db",
        "ELIGO_JUDGE_PROCESSES": "1",
        **environment,
    }
    command = [sys.executable, "-W", "error", "-c", "from app.cli import main; main()", "serve", "--port", str(port)]
    command += options
    children: list[str] = []
    with served.log.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_ready(served, process)
            yield served
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert process.returncode in {0, -signal.SIGTERM}
    until = time.monotonic() + 5
    while any(map(_lives, children)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [each for each in children if _lives(each)], "a worker outlived the server"


def _lives(pid: str) -> bool:
    """Whether there is such a process that is not dead and only waiting for somebody to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_until_ready(served: Served, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 150  # a machine may be busy with much else
    while time.monotonic() < until:
        assert process.poll() is None, served.log.read_text()
        try:
            if httpx.get(f"{served.address}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the server was never ready")
