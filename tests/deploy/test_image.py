"""The image that `make image` has built: what is in it, what is not, and its service over HTTP."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.api import examples
from tests.deploy.gateways import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = os.environ.get("ELIGO_TEST_IMAGE", "")
AGAIN = os.environ.get("ELIGO_TEST_IMAGE_AGAIN", "")
COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "ld", "as", "make", "cargo", "rustc", "pip", "pip3", "debootstrap")
_START_S = 90

if not IMAGE:
    pytest.skip("No image to test: `make image` builds one and names it (ELIGO_TEST_IMAGE).", allow_module_level=True)
if shutil.which("buildah") is None or os.geteuid() != 0:
    pytest.skip("An image is tested by root, with buildah.", allow_module_level=True)


def buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    name = buildah("from", "--pull-never", IMAGE)
    yield name
    buildah("rm", name)


@pytest.fixture(scope="module")
def root(container) -> Iterator[Path]:
    yield Path(buildah("mount", container))
    buildah("umount", container)


def described(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", image))
    return found


def test_it_says_what_it_is_and_runs_as_nobody_in_particular():
    image = described(IMAGE)
    config = image["Docker"]["config"]

    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["eligo"]
    assert config["Cmd"] == ["serve"]
    assert "/health/live" in config["Healthcheck"]["Test"][-1]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    assert len(labels["org.opencontainers.image.revision"]) == 40


def test_there_is_nothing_to_build_or_to_rise_with(root):
    programs = {
        each.name for folder in ("bin", "usr/bin", "usr/local/bin", "opt/eligo/bin") for each in _in(root / folder)
    }
    risen = [
        each for each in root.rglob("*") if each.is_file() and not each.is_symlink() and each.stat().st_mode & 0o6000
    ]

    assert "python3" in programs
    assert programs.isdisjoint(COMPILERS)
    assert not list(root.rglob("site-packages/pip")) + list(root.rglob("dist-packages/pip"))
    assert risen == []


def _files(root: Path) -> list[Path]:
    return [each for each in root.rglob("*") if not each.is_symlink() and each.is_file()]


def _in(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def test_the_list_of_what_is_in_it_is_complete(root):
    listed = json.loads((root / "opt/eligo/share/sbom.cdx.json").read_text())
    named = {
        (each["name"].lower().replace("-", "_").replace(".", "_"), each["version"]) for each in listed["components"]
    }
    installed = set()
    for each in root.glob("opt/eligo/lib/python3*/site-packages/*.dist-info/METADATA"):
        fields = dict(line.split(": ", 1) for line in each.read_text().split("\n\n")[0].splitlines() if ": " in line)
        installed.add((_same(fields["Name"]), fields["Version"]))

    assert listed["bomFormat"] == "CycloneDX"
    assert len(installed) > 30
    assert installed <= named
    assert any(each.get("purl", "").startswith("pkg:deb/debian/libc6@") for each in listed["components"])


def _same(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def test_its_service_judges_a_record_and_writes_nothing_but_its_database(container, root, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 10001, 10001)
    port = free_port()
    began = time.time()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("buildah", "run", "--isolation", "chroot", "--user", "10001:10001", "--volume", f"{data}:/srv/eligo"),
                *("--env", "ELIGO_JUDGE_PROCESSES=1", "--env", "ELIGO_DATABASE_URL=sqlite:////srv/eligo/eligo.db"),
                *(container, "--", "eligo", "serve", "--port", str(port)),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                _wait_until_ready(client, process, tmp_path / "log")
                stored = client.post("/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"})
                report = client.post("/v1/trials/NCT00000000/evaluate", json=examples.BUNDLE)
            healthy = described(IMAGE)["Docker"]["config"]["Healthcheck"]["Test"]
            check = [each.replace(":8000/", f":{port}/") for each in healthy[1:]]
            buildah("run", "--isolation", "chroot", "--user", "10001:10001", container, "--", *check)
            uids = _uids(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(40)

    assert stored.status_code == 201, stored.text
    assert report.json()["criteria"][0]["status"] == "pass"
    assert (data / "eligo.db").is_file()
    assert 10001 in uids
    changed = [each for each in _files(root) if max(each.stat().st_mtime, each.stat().st_ctime) > began]
    places = {each.relative_to(root).parts[0] for each in changed}
    assert places <= {"etc", "run", "proc"}  # where buildah itself puts names of hosts: the root may be read-only


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def _uids(parent: int) -> set[int]:
    """Who the processes beneath a process are."""
    found, waiting = set(), [parent]
    while waiting:
        each = waiting.pop()
        found.add(Path(f"/proc/{each}").stat().st_uid)
        for task in Path(f"/proc/{each}/task").iterdir():
            waiting += map(int, (task / "children").read_text().split())
    return found


def test_two_builds_give_the_same_layers():
    if not AGAIN:
        pytest.skip(f"Build it a second time: {shlex.join(['make', 'image', 'AGAIN=1'])}.")

    first, second = described(IMAGE), described(AGAIN)

    assert first["OCIv1"]["rootfs"]["diff_ids"] == second["OCIv1"]["rootfs"]["diff_ids"]
