"""The best candidates of one patient: what is judged for all trials at once is what each trial says by itself."""

from __future__ import annotations

import json
from datetime import date

import orjson
import pytest

from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text
from app.services import core
from app.services.options import Options, Wish
from tests.records import bundle

TEXT = """Inclusion Criteria:
- Age 18 to 75 years
- Hemoglobin ≥ 90 g/L
Exclusion Criteria:
- Pregnancy
- Participation in another clinical trial within 4 weeks
"""
HEMOGLOBIN = {"observation": "loinc 718-7", "value": "95 g/L", "day": "2026-11-20"}
ELSEWHERE = {"participation": "NCT00000001", "since": "2026-11-01"}


@pytest.mark.parametrize("records", [[HEMOGLOBIN], [HEMOGLOBIN, ELSEWHERE]], ids=["no study", "in a study"])
def test_each_report_is_the_one_that_its_trial_gives_alone(records):
    desk = core.Desk(load_catalogue())
    criteria = read_criteria_text(TEXT, desk.catalogue)
    trials = [desk.ready(f"NCT0000000{place}", 1, f"Trial {place}", "recruiting", criteria) for place in range(3)]
    body = json.dumps(bundle({"gender": "male", "birthDate": "1970-01-01"}, records)).encode()
    options = Options(as_of=date(2026, 11, 22))
    wish = Wish(most=3, least_met=0.0, with_ineligible=True, ordered=None)

    found = core.find_candidates(trials, body, options, wish, desk)
    reports = [orjson.loads(each) for each in found.reports]

    assert len(reports) == 3
    alone = {trial.compiled.id: orjson.loads(core.judge(trial, body, options, desk)) for trial in trials}
    assert {each["trial"]["id"]: each for each in reports} == alone
    if ELSEWHERE in records:  # one of them is the very study that the patient is in
        assert len({each["criteria"][3]["status"] for each in reports}) == 2
