"""What `docs/cds-hooks.md` tells an integrator to type works, in the order in which it stands there."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from app.settings import Settings
from tests.docs.test_readme import ROOT, run
from tests.hooks.test_contract import problems
from tests.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "cds-hooks.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def test_nothing_on_the_page_goes_untested():
    assert [each.split()[0] for each in BLOCKS] == ["make", "curl", "curl", "export"]
    assert re.findall(r"^make (\w+)", BLOCKS[0], re.MULTILINE) == ["demo", "serve"]


def test_from_nothing_to_a_card(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("There is no curl on this machine to call the service with.")
    _, discover, call, _ = BLOCKS
    database = {"ELIGO_DATABASE_URL": f"sqlite:///{tmp_path}/eligo.db"}
    run("eligo demo", **database)  # as `make demo` does when it has set everything up
    with serving(tmp_path, **database) as served:
        services = json.loads(run(discover.replace("http://127.0.0.1:8000", served.address)))
        answer = json.loads(run(call.replace("http://127.0.0.1:8000", served.address)))

    assert problems("discovery", services) == []
    assert "trials-patient-view" in {each["id"] for each in services["services"]}
    assert problems("response", answer) == []
    assert answer["cards"]
    assert all(each["summary"] for each in answer["cards"])


def test_the_services_of_ones_own_are_taken() -> None:
    text = re.fullmatch(r"export ELIGO_CDS_SERVICES='(.*)'\n", BLOCKS[3], re.DOTALL)
    assert text is not None

    (service,) = Settings(cds_services=json.loads(text[1])).cds_services

    assert (service.id, service.hook, service.most_cards) == ("oncology", "patient-view", 2)


def test_every_setting_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"ELIGO_[A-Z_]+", PAGE))

    assert {"ELIGO_CDS_ISSUERS", "ELIGO_CDS_FHIR_SERVERS"} <= named
    assert named <= {f"ELIGO_{each.upper()}" for each in Settings.model_fields}
