"""The second engine: a Node process that translates CQL and runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@cache
def unavailable() -> str:
    """Why the engine cannot run here; "" where it can. Packages are installed once, as the lock file says."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "Node and npm are not installed"
    if not (HERE / "node_modules" / "cql-execution").exists():
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return f"the packages of tests/cql could not be installed: {done.stderr.strip()[-200:]}"
    return ""


def run(messages: list[dict[str, Any]], timeout_s: float = 600) -> list[dict[str, Any]]:
    """The answers to messages, in their order (see run.mjs)."""
    node = shutil.which("node")
    assert node is not None
    lines = "".join(f"{json.dumps(each, default=str)}\n" for each in messages)
    done = subprocess.run(
        [node, "run.mjs"], cwd=HERE, input=lines, capture_output=True, text=True, check=False, timeout=timeout_s
    )
    assert not done.returncode, done.stderr[-4000:]
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == len(messages), done.stderr[-4000:]
    return answers
