"""`eligo export`: a trial as FHIR on standard output, or in files."""

from __future__ import annotations

import json

import pytest

from app.api import examples
from tests.validators import problems_by_models


@pytest.fixture
def stored(eligo, tmp_path):
    (tmp_path / "page.txt").write_text(examples.PAGE)
    eligo("import", "page.txt")
    return eligo


@pytest.mark.parametrize("version", ["4.0", "5.0"])
def test_a_trial_is_written_in_either_version(stored, version):
    bundle = json.loads(stored("export", "NCT00000000", "--fhir", version).stdout)

    assert problems_by_models(bundle, version) == []
    study = bundle["entry"][0]["resource"]
    assert ("recruitment" in study) is (version == "5.0")


def test_files_hold_the_bundle_and_each_resource_and_can_be_imported_again(stored, tmp_path):
    told = stored("export", "NCT00000000", "--out", "made/here").stdout
    folder = tmp_path / "made" / "here"
    bundle = json.loads((folder / "package.json").read_text())

    assert told == f"{len(bundle['entry']) + 1} files written to made/here.\n"
    for each in bundle["entry"]:
        one = each["resource"]
        assert json.loads((folder / f"{one['resourceType']}-{one['id']}.json").read_text()) == one
    before = json.loads(stored("show", "NCT00000000", "--json").stdout)
    assert "1 new" in stored("import", "made/here/package.json").stdout
    after = json.loads(stored("show", "NCT00000000", "--json").stdout)
    assert (before["version"], after["version"]) == (1, 2)
    assert after["criteria"] == before["criteria"]


def test_what_cannot_be_written_is_told(stored, tmp_path):
    assert "NCT99999999" in stored("export", "NCT99999999", code=1).stderr
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in stored("export", "NCT00000000", "--out", "file", code=1).stderr
