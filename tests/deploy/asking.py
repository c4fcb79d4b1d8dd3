"""Asks the tools of `.venv-tools` (`tools.py`), or skips where they are not installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.gateways import TOOLS


def ask(*asked: tuple[str, list[Any]]) -> list[dict[str, Any]]:
    """One `{"ok": ...}` or `{"error": ...}` for each `(action, arguments)`."""
    python = TOOLS / "python"
    if not python.exists():
        pytest.skip("The tools are not installed: `make tools`.")
    script = Path(__file__).with_name("tools.py")
    done = subprocess.run(
        [str(python), str(script)], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers
