"""What the service bears: `make load`. Everything on loopback, with bounded numbers of requests.

Throughput of judging 1 MB records as a ratio to a bare FastAPI route that only parses the same body; what becomes of
twice as many calls as can be served; memory over 20,000 calls.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import orjson
from fastapi import FastAPI, Request
from rich.console import Console

from app.demo import load_demo_trials
from benchmarks.hooks import served
from benchmarks.records import life, visit
from benchmarks.run import table

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLERS = 4
LARGE = 120
"""Calls with 1 MB for one figure of throughput; the best of ROUNDS counts."""
ROUNDS = 3
OVERLOAD_S = 15
SMALL = int(os.environ.get("ELIGO_LOAD_CALLS", "20000"))
_JSON = {"Content-Type": "application/json"}

bare = FastAPI()


@bare.post("/parse")
async def parse(request: Request) -> dict[str, int]:
    """Parse the body and do nothing with it."""
    return {"entries": len(orjson.loads(await request.body())["entry"])}


@contextmanager
def parsing() -> Iterator[str]:
    """The address of the bare route, in a process of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "benchmarks.load:bare", "--port", str(port), "--no-access-log"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/docs")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/parse"
    finally:
        process.terminate()
        process.wait(20)


def record() -> bytes:
    """A generated record of at least 1 MB, as a server writes it (no blanks)."""
    entries = 1_000
    while len(body := life(entries, pretty=False)) < 1_000_000:
        entries += 250
    return body


async def throughput(url: str, body: bytes, calls: int, callers: int) -> tuple[float, list[float]]:
    """Calls a second, and the time that each took in seconds."""
    took: list[float] = []
    async with httpx.AsyncClient(timeout=120) as client:

        async def caller() -> None:
            for _ in range(calls // callers):
                start = time.perf_counter()
                answer = await client.post(url, content=body, headers=_JSON)
                took.append(time.perf_counter() - start)
                answer.raise_for_status()

        start = time.perf_counter()
        await asyncio.gather(*[caller() for _ in range(callers)])
        return len(took) / (time.perf_counter() - start), took


async def overload(url: str, body: bytes, rate: float) -> tuple[Counter[int], dict[int, list[float]], bool]:
    """Calls at a fixed rate whether or not they are answered: by status how many, and how long each took; whether
    every refusal says when to come again.
    """
    counts: Counter[int] = Counter()
    took: dict[int, list[float]] = {}
    told = True
    limits = httpx.Limits(max_connections=1_000)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client, asyncio.TaskGroup() as calls:

        async def call() -> None:
            nonlocal told
            start = time.perf_counter()
            answer = await client.post(url, content=body, headers=_JSON)
            counts[answer.status_code] += 1
            took.setdefault(answer.status_code, []).append(time.perf_counter() - start)
            told = told and (answer.status_code == 200 or "retry-after" in answer.headers)

        for _ in range(int(rate * OVERLOAD_S)):
            calls.create_task(call())
            await asyncio.sleep(1 / rate)
    return counts, took, told


def resident_mb(pid: int) -> float:
    """What the server and its judging processes hold together (Linux)."""
    children = [each for task in Path(f"/proc/{pid}/task").glob("*/children") for each in task.read_text().split()]
    pages = [int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in (str(pid), *children)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _percentiles(took: list[float]) -> str:
    if len(took) < 2:
        return "-"
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    return f"{cuts[49] * 1e3:.0f} / {cuts[94] * 1e3:.0f} / {cuts[98] * 1e3:.0f}"


def main() -> None:
    """The three tables."""
    console = Console(width=120)
    body, small = record(), visit()
    with served() as (address, pid):
        sent = httpx.post(f"{address}/v1/trials", content=load_demo_trials()[0].content, headers=_JSON, timeout=60)
        url = f"{address}/v1/trials/{sent.json()['id']}/evaluate"
        asyncio.run(throughput(url, body, 16, CALLERS))
        with parsing() as bare_url:
            asyncio.run(throughput(bare_url, body, 16, CALLERS))
            pairs = [
                tuple(asyncio.run(throughput(each, body, LARGE, CALLERS))[0] for each in (bare_url, url))
                for _ in range(ROUNDS)
            ]
        ratio = max(judged / parsed for parsed, judged in pairs)
        shown = table(
            f"{len(body) / 1e6:.1f} MB, {CALLERS} callers, {LARGE} calls a round; load {os.getloadavg()[0]:.1f}",
            "round", "parsed a second", "judged a second", "ratio",
        )  # fmt: skip
        for place, (parsed, judged) in enumerate(pairs, 1):
            shown.add_row(f"{place}", f"{parsed:.0f}", f"{judged:.0f}", f"{judged / parsed:.2f}")
        console.print(shown, f"best ratio {ratio:.2f} (target 0.5)")

        rate = 2 * statistics.median(judged for _, judged in pairs)
        counts, took, told = asyncio.run(overload(url, body, rate))
        shown = table(
            f"{rate:.0f} calls a second, twice what is served, for {OVERLOAD_S} s; load {os.getloadavg()[0]:.1f}",
            "status", "calls", "50 / 95 / 99 % ms",
        )  # fmt: skip
        for status in sorted(counts):
            shown.add_row(f"{status}", f"{counts[status]}", _percentiles(took[status]))
        console.print(shown, f"every refusal has Retry-After: {told}")

        held = [resident_mb(pid)]
        for _ in range(4):
            asyncio.run(throughput(url, small, SMALL // 4, 8))
            held.append(resident_mb(pid))
        console.print(f"memory of all processes over {SMALL} calls: {', '.join(f'{each:.0f}' for each in held)} MB")


if __name__ == "__main__":
    main()
