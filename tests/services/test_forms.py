"""What a body is: told by what is in it, and never a crash."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import examples
from app.fhir.errors import NotJson
from app.services.forms import CSV, FHIR, JSON, MEDIA_TYPES, TEXT, XML, Form, UnusableTrial, sent_trial, trials_of

STUDY, LIST, RESEARCH = (json.dumps(each) for each in (examples.STUDY, examples.CRITERIA_LIST, examples.RESEARCH_STUDY))


@pytest.mark.parametrize(
    ("media_type", "body", "form"),
    [
        (TEXT, examples.PAGE, Form.PAGE),
        (TEXT, "{not JSON}\nInclusion Criteria:\n- Age over 18", Form.PAGE),
        (TEXT, "[Key inclusion]\n- Age over 18", Form.PAGE),
        (TEXT, "< 18 years", Form.PAGE),
        (TEXT, f"\n {STUDY}", Form.STUDY),
        (TEXT, LIST, Form.LIST),
        (TEXT, RESEARCH, Form.FHIR),
        (TEXT, examples.STUDY_XML, Form.XML),
        (TEXT, "<!-- a comment -->\n<clinical_study/>", Form.XML),
        (TEXT, examples.ROW, Form.ROW),
        (JSON, STUDY, Form.STUDY),
        (JSON, LIST, Form.LIST),
        (JSON, RESEARCH, Form.FHIR),
        (FHIR, RESEARCH, Form.FHIR),
        (FHIR, STUDY, Form.FHIR),
        (XML, examples.STUDY_XML, Form.XML),
        ("text/xml", examples.STUDY_XML, Form.XML),
        (CSV, examples.ROW, Form.ROW),
    ],
)
def test_a_body_is_told_by_what_is_in_it(media_type, body, form):
    assert sent_trial(media_type, body).form is form


@pytest.mark.parametrize("body", ["<!DOCTYPE html><html></html>", "<html>", '<?xml version="1.0"?>\n<!doctype HTML>'])
def test_a_saved_web_page_is_refused_with_the_way_out(body):
    with pytest.raises(UnusableTrial, match="its text as copied"):
        sent_trial(TEXT, body)


@given(
    st.sampled_from(MEDIA_TYPES), st.text() | st.sampled_from([STUDY, LIST, RESEARCH, examples.ROW, "{", "[1]", "{}"])
)
def test_anything_is_a_trial_several_or_refused(media_type, body):
    with suppress(UnusableTrial, NotJson):
        assert sent_trial(media_type, body).form in Form
    try:
        parts = list(trials_of(media_type, body))
    except (UnusableTrial, NotJson):
        return
    assert all(part.media_type in MEDIA_TYPES for part in parts)


@given(
    st.lists(st.tuples(*[st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)] * 4), max_size=4)
)
def test_every_row_of_a_table_is_a_table_of_its_own_with_the_same_cells(rows):
    import csv
    import io

    written = io.StringIO(newline="")
    csv.writer(written).writerows([("nct_id", "title", "conditions", "eligibility_criteria"), *rows])
    parts = list(trials_of(CSV, written.getvalue()))
    kept = [row for row in rows if any(cell.strip() for cell in row)]

    assert [tuple(sent_trial(part.media_type, part.body).content.values()) for part in parts] == kept
