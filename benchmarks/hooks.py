"""How long a CDS Hooks call takes, from the caller's side: `make latency`.

A server process of its own, 100 trials, a Synthea patient whose prefetch is what the templates ask for. Times are wall
times on loopback, so they hold for this machine as it is; each is also given as a ratio to `orjson.loads` of the body.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
from rich.console import Console

from benchmarks.records import visit
from benchmarks.run import SHARED, best, registrations, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.reader import ReadCriterion

Json = dict[str, Any]
TRIALS = 100
CRITERIA = 20
CALLS = 200
CALLERS = 8
TARGET_MS = 500
_PATH = "/cds-services/trials-patient-view"


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """The address of a server with an empty database and two judging processes, and the number of its process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "ELIGO_DATABASE_URL": f"sqlite:///{folder}/eligo.db",
            "ELIGO_JUDGE_PROCESSES": "2",
        }
        command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process)
            yield address, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def cpu_s(pid: int) -> float:
    """The process time of a server and its judging processes so far, in seconds (Linux)."""
    children = [each for task in Path(f"/proc/{pid}/task").glob("*/children") for each in task.read_text().split()]
    ticks = 0
    for each in (str(pid), *children):
        after_name = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        try:
            if httpx.get(f"{address}/health/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("The server did not become ready.")


def load_trials(address: str) -> str:
    """Store trials whose criteria are drawn from registrations; where these are from."""
    name, read = registrations()
    pool: list[ReadCriterion] = [criterion for each in read for criterion in each.criteria]
    with httpx.Client(base_url=address, timeout=60) as client:
        for place in range(TRIALS):
            some = [pool[(place * 7 + step * 13) % len(pool)] for step in range(CRITERIA)]
            lines = [f"NCT99{place:06}", f"Trial {place}"]
            for kind in ("inclusion", "exclusion"):
                lines.append(f"{kind.capitalize()} Criteria:")
                lines += [f"- {' '.join(each.text.split())}" for each in some if each.kind.value == kind]
            answer = client.post("/v1/trials", content="\n".join(lines), headers={"Content-Type": "text/plain"})
            answer.raise_for_status()
    return name


def record() -> tuple[str, list[Json]]:
    """A Synthea patient where there is one on this machine, else a generated one."""
    files = sorted((SHARED / "data" / "patients" / "synthea-r4").glob("Dirk*.json"))
    body = files[0].read_bytes() if files else visit()
    resources = [each["resource"] for each in orjson.loads(body)["entry"]]
    return (f"Synthea, {files[0].name.split('_')[0]}" if files else "generated"), resources


def prefetch(templates: dict[str, str], resources: list[Json]) -> Json:
    """What an EHR that knows these resources would send along."""
    return {key: _answer(query, resources) for key, query in templates.items()}


def _answer(query: str, resources: list[Json]) -> Json:
    name, _, search = query.partition("?")
    if not search:
        return next(each for each in resources if each["resourceType"] == name.split("/")[0])
    codes = {each.rpartition("|")[2] for part in re.findall(r"code=([^&]*)", search) for each in part.split(",")}
    found = [
        {"resource": each}
        for each in resources
        if each["resourceType"] == name and (not codes or codes & {one["code"] for one in each["code"]["coding"]})
    ]
    made: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    return made | ({"entry": found} if found else {})


def body_of(sent: Json, patient: str) -> bytes:
    """A call with an id of its own."""
    return orjson.dumps(
        {
            "hook": "patient-view",
            "hookInstance": str(uuid.uuid4()),
            "context": {"userId": "Practitioner/1", "patientId": patient},
            "prefetch": sent,
        }
    )


async def measure(address: str, sent: Json, patient: str, callers: int) -> list[float]:
    """The wall times of all calls, in seconds."""
    took: list[float] = []
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:

        async def caller() -> None:
            for _ in range(CALLS // callers):
                body = body_of(sent, patient)
                start = time.perf_counter()
                answer = await client.post(_PATH, content=body, headers={"Content-Type": "application/json"})
                took.append(time.perf_counter() - start)
                answer.raise_for_status()
                if not json.loads(answer.content)["cards"]:
                    raise SystemExit("No cards: this measures nothing.")

        await asyncio.gather(*[caller() for _ in range(callers)])
    return sorted(took)


def main() -> None:
    """One caller, then eight."""
    console = Console(width=120)
    with served() as (address, pid):
        source = load_trials(address)
        services = httpx.get(f"{address}/cds-services", timeout=60).json()["services"]
        templates = next(each["prefetch"] for each in services if each["hook"] == "patient-view")
        name, resources = record()
        patient = next(each["id"] for each in resources if each["resourceType"] == "Patient")
        sent = prefetch(templates, resources)
        body = body_of(sent, patient)
        parse = best(lambda: orjson.loads(body), 30)
        asyncio.run(measure(address, sent, patient, CALLERS))  # both processes learn the trials
        shown = table(
            f"{name}: {len(body) / 1e3:.0f} KB under {len(templates)} keys; {TRIALS} trials of {CRITERIA} criteria "
            f"({source}); x = orjson.loads ({parse * 1e3:.2f} ms); load {os.getloadavg()[0]:.1f}",
            "callers", "median ms", "x", "99 % ms", "x", f"under {TARGET_MS} ms", "a second", "CPU ms a call",
        )  # fmt: skip
        for callers in (1, CALLERS):
            start, worked = time.perf_counter(), cpu_s(pid)
            took = asyncio.run(measure(address, sent, patient, callers))
            whole = time.perf_counter() - start
            median, late = statistics.median(took), took[int(len(took) * 0.99) - 1]
            share = sum(each * 1e3 < TARGET_MS for each in took) / len(took)
            shown.add_row(
                f"{callers}",
                f"{median * 1e3:.0f}", f"{median / parse:.0f}",
                f"{late * 1e3:.0f}", f"{late / parse:.0f}",
                f"{share:.0%}", f"{len(took) / whole:.0f}",
                f"{(cpu_s(pid) - worked) / len(took) * 1e3:.0f}",
            )  # fmt: skip
        console.print(shown)


if __name__ == "__main__":
    main()
