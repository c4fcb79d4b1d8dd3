"""A parser under a coverage-guided fuzzer: `python -m tests.fuzz.guided PARSER SECONDS FOLDER`; `make fuzz` runs all.

Ends with 0 where nothing was found, and 77 where atheris is not installed (it has wheels for few platforms).
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

SKIPPED = 77
_MOST_MB = 1_500
_MOST_S = 10


def main() -> None:
    """Start from the samples and damaged copies of them; what breaks is kept in FOLDER."""
    name, seconds, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    try:
        import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as missing:
        print(f"{name}: skipped, atheris is not to be had here ({missing})")  # noqa: T201
        raise SystemExit(SKIPPED) from None
    with atheris.instrument_imports(include=["app"]):
        from tests.fuzz import mutating, parsers

    parser = parsers.parsers()[name]
    parsers.desk()
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for place, body in enumerate([*parser.samples, *mutating.all_mutated(list(parser.samples), Random(1), 10)]):
        (corpus / f"seed-{place}").write_bytes(body)
    arguments = [
        f"-max_total_time={seconds}", f"-timeout={_MOST_S}", f"-rss_limit_mb={_MOST_MB}", "-max_len=20000",
        "-print_final_stats=1", f"-artifact_prefix={folder}/{name}-", str(corpus),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *arguments], parser.reads_or_refuses)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
