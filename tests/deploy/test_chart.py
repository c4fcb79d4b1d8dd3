"""The Helm chart: rendered by Helm's own library, held to the schemas of Kubernetes, and what a cluster would run."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from app.settings import Settings
from tests.deploy.asking import ask
from tests.deploy.gateways import ROOT

CHART = str(ROOT / "deploy" / "helm" / "eligo")
VERSIONS = ("1.29.0", "1.33.0", "1.37.0")
SITE: dict[str, Any] = {
    "publicUrl": "https://trials.hospital.example/eligo",
    "auth": {"issuers": {"https://login.hospital.example": "https://login.hospital.example/jwks.json"}},
    "database": {"existingSecret": "eligo-database"},
    "trustedProxies": ["10.0.0.0/8"],
}
FULL: dict[str, Any] = {
    **SITE,
    "autoscaling": {"enabled": False},
    "replicas": 3,
    "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": ["registry"]},
    "metrics": {"existingSecret": "eligo-metrics"},
    "ingress": {"enabled": True, "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "20m"}},
    "settings": {"ELIGO_MAX_BODY_BYTES": 10485760, "ELIGO_CDS_BUDGET_S": 0.5, "ELIGO_CDS_PRIVATE_ADDRESSES": True},
    "serviceAccount": {"annotations": {"note": "screening"}},
    "podAnnotations": {"note": "screening"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "networkPolicy": {"ingressFrom": [], "metricsFrom": [], "egress": []},
}


def rendered(values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    [answer] = ask(("render", [CHART, values]))
    assert "ok" in answer, answer
    found = {}
    for path, text in answer["ok"].items():
        if path.endswith(".yaml"):
            for each in filter(None, yaml.safe_load_all(text)):
                assert (each["kind"], each["metadata"]["name"]) not in found
                found[each["kind"], each["metadata"]["name"]] = each
    return found


def one(found: dict[tuple[str, str], dict[str, Any]], kind: str) -> dict[str, Any]:
    [answer] = [each for (of, _), each in found.items() if of == kind]
    return answer


def test_helm_finds_nothing_to_say():
    [answer] = ask(("lint", [CHART, SITE]))

    assert answer["ok"]["errors"] == []
    assert [each for each in answer["ok"]["messages"] if each["severity"] >= 2] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [SITE, FULL], ids=["site", "full"])
def test_every_manifest_is_what_kubernetes_takes(values, version):
    made = list(rendered(values).values())

    answers = ask(*[("validate", [each, version]) for each in made])

    assert len(made) >= 7
    assert [each for each in answers if "error" in each] == []


def test_the_check_itself_refuses_what_kubernetes_would():
    deployment = one(rendered(SITE), "Deployment")
    broken = copy.deepcopy(deployment)
    broken["spec"]["template"]["spec"]["containers"][0]["readOnlyRoot"] = True

    good, bad = ask(("validate", [deployment, VERSIONS[0]]), ("validate", [broken, VERSIONS[0]]))

    assert "ok" in good
    assert "readOnlyRoot" in bad["error"]


def test_what_runs_is_bound():
    found = rendered(SITE)
    for kind in ("Deployment", "Job"):
        pod = one(found, kind)["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["image"] == "eligo:0.1.0"


def test_the_secret_is_a_file_and_stands_nowhere_else():
    found = rendered(SITE)
    for kind in ("Deployment", "Job"):
        pod = one(found, kind)["spec"]["template"]["spec"]
        assert {"name": "ELIGO_DATABASE_URL_FILE", "value": "/run/secrets/eligo/database-url"} in pod["containers"][0][
            "env"
        ]
        [mounted] = [each["projected"]["sources"] for each in pod["volumes"] if "projected" in each]
        assert [each["secret"]["name"] for each in mounted] == ["eligo-database"]
    assert not [kind for kind, _ in found if kind == "Secret"]
    assert "ELIGO_DATABASE_URL" not in one(found, "ConfigMap")["data"]


def test_the_token_for_the_metrics_is_a_file_as_well():
    found = rendered({**SITE, "metrics": {"existingSecret": "eligo-metrics"}})
    pod = one(found, "Deployment")["spec"]["template"]["spec"]

    [mounted] = [each["projected"]["sources"] for each in pod["volumes"] if "projected" in each]
    assert [each["secret"]["name"] for each in mounted] == ["eligo-database", "eligo-metrics"]
    assert {"name": "ELIGO_METRICS_TOKEN_FILE", "value": "/run/secrets/eligo/metrics-token"} in pod["containers"][0][
        "env"
    ]


def test_migrations_go_ahead_of_the_code():
    job = one(rendered(SITE), "Job")

    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]


def test_probes_ask_what_is_true_of_them():
    [container] = one(rendered(SITE), "Deployment")["spec"]["template"]["spec"]["containers"]

    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["startupProbe"]["httpGet"]["path"] == "/health/ready"


def test_selectors_find_the_pods_of_the_deployment_and_no_others():
    found = rendered(SITE)
    labels = one(found, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    migrating = one(found, "Job")["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        one(found, "Service")["spec"]["selector"],
        one(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(found, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]

    for selector in selectors:
        assert selector.items() <= labels
        assert not selector.items() <= migrating


def test_replicas_are_the_autoscalers_where_there_is_one():
    scaled, fixed = rendered(SITE), rendered(FULL)

    assert "replicas" not in one(scaled, "Deployment")["spec"]
    assert one(scaled, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2
    assert one(fixed, "Deployment")["spec"]["replicas"] == 3
    assert not [kind for kind, _ in fixed if kind == "HorizontalPodAutoscaler"]


def test_nobody_may_call_where_nobody_is_named():
    spec = one(rendered(FULL), "NetworkPolicy")["spec"]

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == []
    assert [each["port"] for rule in spec["egress"] for each in rule["ports"]] == [53, 53, 5432]


@pytest.mark.parametrize("values", [SITE, FULL], ids=["site", "full"])
def test_the_service_takes_the_settings_that_the_chart_gives(values, monkeypatch):
    given = one(rendered(values), "ConfigMap")["data"]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings(database_url="postgresql://eligo@db/eligo")

    assert {name.removeprefix("ELIGO_").lower() for name in given} <= set(Settings.model_fields)
    assert settings.public_url == SITE["publicUrl"]
    assert settings.trusted_proxies == ("10.0.0.0/8",)
    assert settings.auth_issuers == SITE["auth"]["issuers"]
    assert settings.asks_for_tokens
    if values is FULL:
        assert (settings.max_body_bytes, settings.cds_budget_s, settings.cds_private_addresses) == (10485760, 0.5, True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"publicUrl": "http://trials.hospital.example"}, "publicUrl"),
        ({"publicUrl": ""}, "publicUrl"),
        ({"auth": {"issuers": {}}}, "issuers"),
        ({"auth": {"issuers": {"a": "http://login.hospital.example"}}}, "issuers"),
        ({"database": {"existingSecret": ""}}, "existingSecret"),
        ({"settings": {"ELIGO_DATABASE_URL": "postgresql://user:password@db/eligo"}}, "ELIGO_DATABASE_URL"),
        ({"settings": {"PATH": "x"}}, "PATH"),
        ({"image": {"tag": 1.0}}, "tag"),
        ({"replica": 3}, "replica"),
    ],
    ids=json.dumps,
)
def test_values_that_cannot_work_are_refused_by_name(changed, told):
    [answer] = ask(("render", [CHART, {**SITE, **changed}]))

    assert told in answer["error"]
