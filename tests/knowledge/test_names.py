"""Names keep to what they say: no narrower or wider thing goes by the name of another."""

from __future__ import annotations

import re

import pytest

from app.knowledge.catalogue import Kind
from app.knowledge.load import load_catalogue
from app.reader.lexing import stems
from app.reader.phrases import phrases_of


def _stem(name: str) -> str:
    """Without the suffix that tells biosimilars and conjugates of one substance apart."""
    return re.split(r"[- ]", name.lower())[0]


def test_no_class_of_drugs_goes_by_the_name_of_one() -> None:
    catalogue = load_catalogue()
    rxcui = {drug.name.lower(): code for code, drug in catalogue.drugs.items() if drug.name}
    wrong = [
        (concept.id, name)
        for concept in catalogue.concepts.values()
        if concept.kind is Kind.TREATMENT
        and len({_stem(catalogue.drugs[each.code].name) for each in concept.codes if each.code in catalogue.drugs}) > 1
        for name in (concept.name.lower(), *concept.names)
        if name in rxcui
    ]

    # Products of valproate carry either salt.
    assert [each for each in wrong if each[0] != "valproic-acid"] == []


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("dual antiplatelet therapy", "antiplatelet"),
        ("abdominal abscess", "intra-abdominal-infection"),
        ("CNS lymphoma", "primary-cns-lymphoma"),
        ("ocular melanoma", "uveal-melanoma"),
        ("interferon alfa", "interferon"),
        ("TNF inhibitors", "immunosuppressant"),
        ("calcineurin inhibitors", "immunosuppressant"),
        ("epoetin alfa", "erythropoietin"),
        ("essential hypertension", "hypertension"),
        ("bowel perforation", "gastrointestinal-perforation"),
        ("spontaneous bacterial peritonitis", "peritonitis"),
        ("hereditary bleeding disorder", "bleeding-disorder"),
        ("abdominal aortic aneurysm", "aortic-aneurysm"),
        ("portal vein tumour thrombus", "portal-vein-thrombosis"),
        ("long QT syndrome", "prolonged-qt"),
        ("heart block", "conduction-abnormality"),
        ("cord blood transplant", "allogeneic-stem-cell-transplant"),
        ("core biopsy", "biopsy"),
        ("hemodialysis", "dialysis"),
        ("PCI", "coronary-revascularisation"),
        ("CABG", "coronary-revascularisation"),
        ("platelet transfusion", "blood-transfusion"),
        ("kidney transplant", "organ-transplant"),
        ("lung resection", "lobectomy-of-lung"),
        ("hormone replacement therapy", "hormone-replacement"),
        ("venous thromboembolism", "venous-thrombosis"),
        ("cerebral hemorrhage", "intracranial-haemorrhage"),
        ("intracranial hemorrhage", "intracerebral-haemorrhage"),
        ("systemic viral infection", "viral-infection"),
        ("thyroid hormone", "levothyroxine"),
        ("levothyroxine", "thyroid-hormone"),
        ("pembrolizumab", "pd1-antibody-allergy"),
        ("other monoclonal antibodies", "monoclonal-antibody-allergy"),
    ],
)
def test_a_narrower_or_wider_thing_is_not_the_concept(name: str, never: str) -> None:
    catalogue = load_catalogue()
    named = phrases_of(catalogue).names.get(stems(name), ())

    assert never in catalogue.concepts
    assert never not in {each.id for each in named}
