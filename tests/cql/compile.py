"""Compiles the CQL of a registration to ELM (JSON) where Node is installed: `python -m tests.cql.compile FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from app.emitters.cql import cql_library
from app.knowledge.load import load_catalogue
from app.reader import read_registration
from tests.cql import engine


def main(file: str) -> int:
    """Write the ELM to standard output; say what was wrong on standard error."""
    if engine.unavailable():
        sys.stderr.write(f"{engine.unavailable()}\n")
        return 1
    catalogue = load_catalogue()
    registration = read_registration(Path(file).read_text(), catalogue)
    library = cql_library("Trial", "1", registration.criteria, catalogue)
    _, answer = engine.run(
        [
            {"include": library.rules.name, "source": library.rules.source},
            {"library": library.name, "source": library.source, "elm": True},
        ]
    )
    if answer["errors"]:
        sys.stderr.write("\n".join([*answer["errors"], ""]))
        return 1
    sys.stdout.write(f"{json.dumps(answer['elm'])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
