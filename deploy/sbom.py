"""The software bill of materials of an environment (CycloneDX 1.6, JSON): `sbom.py PYTHON > FILE`.

Run it by a Python that has cyclonedx-bom. The Python packages come from cyclonedx-py. Added are the packages of Debian
beneath them, where there are any. Serial number and time are left out: the same packages give the same bytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_STATUS = Path("/var/lib/dpkg/status")


def main(python: str) -> None:
    """Write the list to standard output."""
    made = subprocess.run(  # noqa: S603  this environment's own program
        [
            str(Path(sys.executable).with_name("cyclonedx-py")),
            "environment",
            "--output-reproducible",
            "--spec-version",
            "1.6",
            "--output-format",
            "JSON",
            python,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(made.stdout)
    found["metadata"].pop("timestamp", None)
    found["metadata"]["component"] = {"type": "container", "name": "eligo", "bom-ref": "eligo-image"}
    found.setdefault("components", []).extend(_debian())
    json.dump(found, sys.stdout, indent=1, sort_keys=True)


def _debian() -> list[dict[str, Any]]:
    """The packages of Debian that are installed, from dpkg's own list."""
    if not _STATUS.is_file():
        return []
    found = []
    for entry in _STATUS.read_text().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and not line.startswith(" "))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{name}@{version}?arch={fields['Architecture']}"
            found.append({"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl})
    return found


if __name__ == "__main__":
    main(sys.argv[1])
