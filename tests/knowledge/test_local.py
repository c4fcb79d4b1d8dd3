"""What a site's maps may change of the catalogue, and what they may not."""

from __future__ import annotations

from functools import cache

import pytest

from app.knowledge.catalogue import NOWHERE, Catalogue
from app.knowledge.load import load_catalogue
from app.knowledge.local import LocalCode, Relation, with_local_codes

SNOMED, ICD, SITE = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm", "https://hospital.example/codes"
MAP = "https://hospital.example/ConceptMap/own|1"
TYPE_2 = "44054006"


@cache
def catalogue() -> Catalogue:
    return load_catalogue()


def line(
    code: str, target: str = TYPE_2, relation: Relation = Relation.SAME, system: str = SITE, to: str = SNOMED
) -> LocalCode:
    return LocalCode(system, code, to, target, relation, MAP)


def test_a_new_code_is_placed_with_its_target():
    found = with_local_codes(catalogue(), [line("x")])
    placement = found.index.place(SITE, "x")

    assert "type-2-diabetes" in placement.concepts
    assert placement.known
    assert found.index.mapped(SITE, "x") == MAP
    assert found.digest != catalogue().digest
    assert catalogue().index.mapped(SITE, "x") == ""


def test_a_narrower_code_is_a_kind_of_it_and_known_as_nothing_else():
    placement = with_local_codes(catalogue(), [line("x", relation=Relation.NARROWER)]).index.place(SITE, "x")

    assert "type-2-diabetes" in placement.concepts
    assert not placement.known


def test_a_vague_code_is_nothing_for_certain():
    placement = with_local_codes(catalogue(), [line("x", relation=Relation.VAGUE)]).index.place(SITE, "x")

    assert (placement.concepts, placement.known) == (frozenset(), False)
    assert "type-2-diabetes" in placement.vague


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (SNOMED, "46635009"),  # type 1 diabetes
        (ICD, "E10.9"),  # the same, by prefix
        (SNOMED, "428090004"),  # a mass of the bladder: vague for bladder cancer
        (SNOMED, "92546004"),  # carcinoma in situ of the bladder: taken out of bladder cancer
        ("http://www.whocc.no/atc", "A10BA02"),
        ("http://loinc.org", "718-7"),  # a test
    ],
)
def test_what_the_catalogue_has_an_opinion_of_is_not_mapped_anew(system, code):
    before = catalogue().index
    found = with_local_codes(catalogue(), [line(code, system=system)])

    assert found is catalogue()
    assert before.mapped(system, code) == ""


def test_what_is_mapped_to_nothing_known_changes_nothing():
    assert with_local_codes(catalogue(), [line("x", target="0")]) is catalogue()
    assert with_local_codes(catalogue(), []) is catalogue()


def test_codes_of_prefix_systems_are_mapped_with_and_without_dots():
    assert catalogue().index.place("icd10cm", "Z99.99") is NOWHERE
    found = with_local_codes(catalogue(), [line("x", target="E11.9", to=ICD), line("Z99.99", system=ICD)])

    assert "type-2-diabetes" in found.index.place(SITE, "x").concepts
    assert "type-2-diabetes" in found.index.place("icd10cm", "Z9999").concepts
    assert found.index.mapped("icd10cm", "Z99.99") == MAP


def test_the_order_of_lines_does_not_matter():
    lines = [line("x"), line("y", relation=Relation.VAGUE), line("z", relation=Relation.NARROWER)]
    one, other = (with_local_codes(catalogue(), each) for each in (lines, lines[::-1]))

    assert one.digest == other.digest
    assert dict(one.index.local) == dict(other.index.local)


ATC, RXNORM = "http://www.whocc.no/atc", "http://www.nlm.nih.gov/research/umls/rxnorm"


def test_a_map_settles_which_drug_an_atc_code_is() -> None:
    before = catalogue().index.place("atc", "L01FD01")
    found = with_local_codes(catalogue(), [line("L01FD01", "224905", system=ATC, to=RXNORM)])
    placement = found.index.place("atc", "L01FD01")

    assert "trastuzumab" in before.vague
    assert "trastuzumab" in placement.concepts
    assert "pertuzumab" not in placement.concepts | placement.vague
    assert placement.concepts >= before.concepts
    assert found.index.mapped("atc", "L01FD01") == MAP


def test_a_map_cannot_move_an_atc_code_to_another_group() -> None:
    found = with_local_codes(catalogue(), [line("L01FD01", "6809", system=ATC, to=RXNORM)])  # metformin

    assert found is catalogue()
