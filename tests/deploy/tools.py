"""Run by the Python of `.venv-tools`: Helm, Kubernetes' schemas and the compose specification, asked in JSON.

Standard input is a list of `[action, arguments]`; standard output has one `{"ok": ...}` or `{"error": "..."}` each.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def render(chart: str, values: dict[str, Any], upgrade: bool = False) -> dict[str, str]:  # noqa: FBT001, FBT002
    """What Helm makes of the chart: template to manifests. Helm checks the values by their schema first."""
    import helm_python

    with helm_python.Chart.load(chart) as loaded:
        loaded.validate_schema(loaded.merge_values(values))
        made: dict[str, str] = loaded.render(
            values, name="trials", namespace="screening", is_install=not upgrade, is_upgrade=upgrade
        )
        return made


def lint(chart: str, values: dict[str, Any]) -> dict[str, Any]:
    """What `helm lint --strict` says."""
    import helm_python

    found: dict[str, Any] = helm_python.lint(chart, values, strict=True)
    return found


def validate(resource: dict[str, Any], version: str) -> None:
    """Hold a manifest to the schema of a Kubernetes version; unknown fields are refused."""
    import kubernetes_validate

    kubernetes_validate.validate(resource, version, strict=True)


def compose(text: str) -> Any:
    """What a parser of the compose specification makes of a file without variables; every name must be defined."""
    import compose_spec

    read = compose_spec.PyOptions(apply_merge=True).from_yaml(text)
    read.validate()
    return read.to_dict()


if __name__ == "__main__":
    answers: list[dict[str, Any]] = []
    for action, arguments in json.load(sys.stdin):
        try:
            answers.append({"ok": globals()[action](*arguments)})
        except Exception as error:  # noqa: BLE001  told to who asked
            answers.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answers, sys.stdout)
