"""The README's commands work, and what it shows of their output is what they print. `...` stands for anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from app.api import routes
from app.settings import Settings
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


class Shown(NamedTuple):
    """A command as it stands after the prompt, and the output shown for it."""

    command: str
    output: str


def shown(text: str) -> list[Shown]:
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            end = 1
            if heredoc := re.search(r"<<'(\w+)'", lines[0]):
                end = lines.index(heredoc[1]) + 1
            while lines[end - 1].endswith("\\"):
                end += 1
            found.append(Shown("\n".join(lines[:end]), "\n".join(lines[end:])))
    return found


ALL = shown(README)


def fits(output: str, expected: str) -> bool:
    pattern = ".*".join(re.escape(each) for each in expected.split("..."))
    return re.fullmatch(pattern, output.rstrip("\n"), re.DOTALL) is not None


def run(command: str, **environment: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_in_the_readme_goes_untested():
    assert {each.command.split()[0] for each in ALL} == {"make", "eligo", "curl", "docker"}


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_target_that_is_named_can_be_made(text):
    makefile = (ROOT / "Makefile").read_text()
    targets = {each.command.split()[1] for each in shown(text) if each.command.startswith("make ")}
    targets |= set(re.findall(r"`make (\w+)`", text))

    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_command_line_does_what_is_shown(tmp_path):
    for command, output in (each for each in ALL if each.command.startswith("eligo ")):
        printed = run(command, ELIGO_DATABASE_URL=f"sqlite:///{tmp_path}/eligo.db")
        assert fits(printed, output), printed[:2000]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    if shutil.which("curl") is None:
        pytest.skip("There is no curl on this machine to call the service with.")
    with serving(tmp_path) as served:
        yield served.address


def test_the_service_answers_as_shown(address):
    for command, output in (each for each in ALL if each.command.startswith("curl ")):
        printed = run(command.replace("http://127.0.0.1:8000", address))
        assert fits(printed, output), printed[:2000]


def test_every_call_is_named():
    for route in routes.router.routes:
        path = route.path.replace("{trial_id}", "{id}")  # type: ignore[attr-defined]
        assert path in README, path


def test_every_setting_that_is_named_exists():
    named = set(re.findall(r"ELIGO_[A-Z_]+", README))

    assert named <= {f"ELIGO_{name.upper()}" for name in Settings.model_fields}
    assert named
