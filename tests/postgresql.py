"""A PostgreSQL cluster of the tests' own, without rights or network, that can be stopped, killed and frozen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in folders if (each / "initdb").exists() and (each / "pg_ctl").exists()), None)


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root; whoever is root hands over to somebody without rights."""
    if os.geteuid() != 0:
        return []
    runuser = shutil.which("runuser")
    if runuser is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser to become somebody else with.")
    return [runuser, "-u", "nobody", "--"]


class Cluster:
    """One server with its files in a folder, reached by a Unix socket there."""

    def __init__(self, folder: str, binaries: Path, become: list[str]) -> None:
        self.url = f"postgresql://eligo@/postgres?host={folder}"
        self._folder = folder
        self._binaries = binaries
        self._become = become
        # Neither initdb nor the server waits for the disk: the kernel keeps what a killed process has written.
        self._run("initdb", "-U", "eligo", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")

    def start(self) -> None:
        """Start it, and wait until it takes connections (after a crash: until it has recovered)."""
        options = f"-k {self._folder} -c listen_addresses= -c fsync=off"
        self._run("pg_ctl", "-l", f"{self._folder}/log", "-o", options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends sessions and keeps all; `immediate` is a crash."""
        self._run("pg_ctl", "-m", mode, "-w", "stop")

    def kill(self) -> None:
        """End every process of it at once, as a machine that loses power does."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 10
        while not all(map(_is_dead, pids)) and time.monotonic() < until:
            time.sleep(0.02)
        # Where nobody reaps the dead, their numbers still stand for them, and a new server would take them for alive.
        for name in (f"{self._folder}/data/postmaster.pid", f"{self._folder}/.s.PGSQL.5432.lock"):
            Path(name).unlink(missing_ok=True)

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        postmaster = int(Path(self._folder, "data", "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._become, str(self._binaries / program), "-D", f"{self._folder}/data", *arguments],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL,  # pg_ctl leaves the server holding a pipe open
            stderr=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{program} failed; see {self._folder}/log"


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster that runs; stopped and removed on the way out. Skips where there is no PostgreSQL."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("No PostgreSQL binaries are on this machine, and ELIGO_TEST_DATABASE_URL names no server.")
    become = _as_user()
    # A short path: the name of a Unix socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="eligo-pg-") as folder:
        if become:
            shutil.chown(folder, "nobody")
        made = Cluster(folder, binaries, become)
        made.start()
        try:
            yield made
        finally:
            if Path(folder, "data", "postmaster.pid").exists():
                made.thaw()
                made.stop("immediate")


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a server, a named one or a cluster; what is in its schema `public` is whoever's turn it is."""
    named = os.environ.get("ELIGO_TEST_DATABASE_URL")
    if named:
        yield named
        return
    with cluster() as own:
        yield own.url
