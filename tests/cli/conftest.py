"""The command line, run within the process in an empty folder with a database of its own."""

from __future__ import annotations

import io
import sys
from typing import NamedTuple

import pytest

from app.cli import main


class Ended(NamedTuple):
    """What a command left behind."""

    stdout: str
    stderr: str


@pytest.fixture
def eligo(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder, with a database of its own."""
    monkeypatch.setenv("ELIGO_DATABASE_URL", f"sqlite:///{tmp_path}/data/eligo.db")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0, stdin: str = "", **environment: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["eligo", *arguments])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == code, out + err
        return Ended(out, err)

    return run
