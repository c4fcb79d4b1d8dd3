"""PostgreSQL for tests: a named server, or a cluster of our own that ends with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
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


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a server; what is in its schema `public` is whoever's turn it is."""
    named = os.environ.get("ELIGO_TEST_DATABASE_URL")
    if named:
        yield named
        return
    binaries = _binaries()
    if binaries is None:
        pytest.skip("No PostgreSQL binaries are on this machine, and ELIGO_TEST_DATABASE_URL names no server.")
    become = _as_user()
    # A short path: the name of a Unix socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="eligo-pg-") as folder:
        if become:
            shutil.chown(folder, "nobody")
        data = f"{folder}/data"

        def run(program: str, *arguments: str) -> None:
            done = subprocess.run(
                [*become, str(binaries / program), *arguments],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                stdout=subprocess.DEVNULL,  # pg_ctl leaves the server holding a pipe open
                stderr=subprocess.DEVNULL,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{program} failed; see {folder}/log"

        run("initdb", "-D", data, "-U", "eligo", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        run("pg_ctl", "-D", data, "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            yield f"postgresql://eligo@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
