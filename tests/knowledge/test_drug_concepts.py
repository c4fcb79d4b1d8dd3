"""Single drugs are concepts by their names; what a record says of their class only leaves them open."""

from __future__ import annotations

from collections import Counter

import pytest

from app.knowledge.catalogue import Kind, System
from app.knowledge.drug_concepts import read_drug_concepts
from app.knowledge.load import load_catalogue
from app.knowledge.records import Problems
from app.reader.lexing import stems

HEAD = "name\tnames\trxnorm\tatc\tnear\talso_in\n"


def refused(rows: str) -> str:
    problems = Problems()
    read_drug_concepts("drug_names.tsv", HEAD + rows, problems)
    return "\n".join(map(str, problems.found))


@pytest.mark.parametrize(
    ("name", "drug"),
    [
        ("trastuzumab", "trastuzumab"),
        ("herceptin", "trastuzumab"),
        ("t-dm1", "ado-trastuzumab-emtansine"),
        ("5-fluorouracil", "fluorouracil"),
        ("ciclosporin", "cyclosporine"),
        ("paracetamol", "acetaminophen"),
        ("hydroxycarbamide", "hydroxyurea"),
        ("apatinib", "rivoceranib"),
        ("metformin", "metformin"),
        ("anlotinib", "anlotinib"),
    ],
)
def test_a_drug_is_known_by_its_names(name: str, drug: str) -> None:
    found = [
        each.id for each in load_catalogue().concepts.values() if name in each.names and each.kind is Kind.TREATMENT
    ]

    assert found == [drug]


@pytest.mark.parametrize("name", ["enhertu", "abraxane", "doxil", "eylea"])
def test_a_brand_of_another_form_is_not_the_plain_drug(name: str) -> None:
    plain = {"trastuzumab", "paclitaxel", "doxorubicin", "aflibercept"}
    found = {each.id for each in load_catalogue().concepts.values() if name in each.names}

    assert found.isdisjoint(plain)


def test_no_drug_has_the_name_of_something_else_that_criteria_speak_of() -> None:
    catalogue = load_catalogue()
    drugs = [each for each in catalogue.concepts.values() if each.substance]
    others = {stems(name) for analyte in catalogue.analytes.values() for name in (analyte.name, *analyte.names)}
    others |= {stems(name) for scale in catalogue.scales.values() for name in (scale.name, *scale.names)}
    others |= {stems(each) for phrases in catalogue.lexicon.phrases.values() for each in phrases}
    others |= {
        stems(name)
        for each in catalogue.concepts.values()
        if each.kind in {Kind.CONDITION, Kind.VACCINE, Kind.SITE}
        for name in each.names
    }

    assert [name for each in drugs for name in each.names if stems(name) in others] == []


def test_each_name_means_one_drug() -> None:
    names = Counter(stems(name) for each in load_catalogue().concepts.values() if each.substance for name in each.names)

    assert [each for each, times in names.items() if times > 1] == []


@pytest.mark.parametrize(
    ("system", "code", "drug", "is_it"),
    [
        ("rxnorm", "2555", "cisplatin", True),
        ("atc", "L01EB11", "aumolertinib", True),  # a drug without an RxNorm code
        ("atc", "L01XA01", "cisplatin", False),  # the ATC codes of drugs that RxNorm has are not in the catalogue
        ("atc", "L01XA02", "cisplatin", False),
        ("atc", "L01XA", "cisplatin", False),  # platinum compounds
        ("snomed", "367336001", "cisplatin", False),  # chemotherapy
        ("rxnorm", "2267574", "trastuzumab", False),  # trastuzumab deruxtecan
    ],
)
def test_a_record_is_the_drug_or_may_be(system: str, code: str, drug: str, *, is_it: bool) -> None:
    placement = load_catalogue().index.place(system, code)

    assert (drug in placement.concepts, drug in placement.vague) == (is_it, not is_it)


@pytest.mark.parametrize(
    ("system", "code", "drug"),
    [
        ("rxnorm", "40048", "cisplatin"),  # carboplatin
        ("snomed", "108290001", "cisplatin"),  # radiotherapy
        ("snomed", "1156961008", "cisplatin"),  # CAR-T cell therapy
        ("snomed", "367336001", "metformin"),  # chemotherapy
        ("rxnorm", "8640", "dexamethasone"),  # prednisone
        ("atc", "A10BA02", "cisplatin"),  # another group
    ],
)
def test_a_record_of_something_else_is_not_the_drug(system: str, code: str, drug: str) -> None:
    placement = load_catalogue().index.place(system, code)

    assert placement.known
    assert drug not in placement.concepts | placement.vague


def test_the_atc_index_is_not_in_the_list_of_drugs() -> None:
    """Only what no RxNorm code identifies has a code of ATC."""
    drugs = [each for each in load_catalogue().concepts.values() if each.substance]

    assert [each.id for each in drugs if {code.system for code in each.codes} == {System.RXNORM, System.ATC}] == []
    assert sum(code.system is System.ATC for each in drugs for code in each.codes) < 400


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("Cisplatin\t\t2555\t\t\t\n", "A name has capitals or stands there twice."),
        ("cisplatin\tcisplatin\t2555\t\t\t\n", "A name has capitals or stands there twice."),
        ("cisplatin\t\t2555\t\t\t\ncisplatin\t\t1\t\t\t\n", "Another drug has this name."),
        ("cisplatin\t\t2555\t\tsnomed:1\t\n", "is no list of codes."),
        ("cisplatin\t\t2555\t\t\tPharmacy\n", "'Pharmacy' is not allowed."),
    ],
)
def test_a_wrong_line_is_refused_with_its_place(rows: str, said: str) -> None:
    assert said in refused(rows)
    assert "drug_names.tsv: " in refused(rows)
