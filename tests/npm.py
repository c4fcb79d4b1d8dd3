"""Node packages that tests run: installed once beside the lock file that names them, as it names them."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_INSTALL_S = 300


def node_in(folder: Path) -> str:
    """The Node that runs what lies in `folder`, with its packages there. Skips where that cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not on this machine: what runs in them cannot be tested.")
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    installed = folder / "node_modules" / ".installed"
    # Tests run side by side; who comes second waits for the packages.
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.is_file() or installed.read_text() != digest:
            done = subprocess.run(
                [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=_INSTALL_S,
            )
            if done.returncode:
                pytest.skip(f"The Node packages of {folder.name} cannot be installed: {done.stderr.strip()[-200:]}")
            installed.write_text(digest)
    return node
