"""Every code of the catalogue was read from somewhere: a reference table has it, or its entry names its source."""

from __future__ import annotations

import csv
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.knowledge.catalogue import Code, System, bare_code
from app.knowledge.index import codes_beneath
from app.knowledge.load import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.knowledge.catalogue import Analyte, Concept, Scale

CODES = Path(os.environ.get("ELIGO_SHARED", Path(__file__).parents[3] / "shared")) / "codes"
TABLES = {
    System.SNOMED: ("snomed.tsv", "code", "display"),
    System.LOINC: ("loinc.tsv", "code", "display"),
    System.ICD10CM: ("icd10cm.tsv", "code", "display"),
    System.RXNORM: ("rxnorm.tsv", "rxcui", "display"),
    System.ATC: ("atc.tsv", "code", "name"),
    System.CVX: ("cvx.tsv", "code", "display"),
    System.NCIT: ("ncit.tsv", "code", "display"),
}
CATEGORY = 4
"""ICD-10 and ICD-10-CM agree so far, so a code of the one is sourced by the table of the other."""
UNPLACED = "unplaced"
"""What products.tsv has in place of an ingredient that has no code: the product stays unknown."""

pytestmark = pytest.mark.skipif(not CODES.is_dir(), reason=f"the reference tables are not at {CODES}")


@cache
def table(system: System) -> dict[str, str]:
    """The codes of a system with their names; ICD codes bare."""
    name, code, display = TABLES[system]
    with (CODES / name).open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        found = {key(system, row[code]): row[display] for row in rows}
    if system is System.ATC:  # codes of older indexes, which records still have
        with (CODES / "rxnorm_to_atc.tsv").open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            found = {row["atc"]: row["atc_name"] or row["name"] for row in rows} | found
    return found


@cache
def icd10() -> frozenset[str]:
    """The ICD-10 codes (bare) of published value sets: no table has the classification as a whole."""
    with (CODES / "valueset_members.tsv").open(encoding="utf-8") as lines:
        rows = (line.split("\t") for line in lines)
        return frozenset(bare_code(row[2]) for row in rows if row[1] == "icd10")


def key(system: System, code: str) -> str:
    return bare_code(code) if system is System.ICD10CM and "-" not in code else code


def all_codes() -> Iterator[tuple[str, str, Code]]:
    """Entry, its source, and a code of it."""
    catalogue = load_catalogue()
    concepts = catalogue.concepts.values()
    words = (*catalogue.words.positive, *catalogue.words.negative)
    groups: list[tuple[Concept | Analyte | Scale, tuple[tuple[Code, ...], ...]]] = [
        *((each, (each.codes, each.without, each.broader, each.suggests)) for each in concepts if not each.substance),
        *((each, (each.codes, each.broader, each.panels)) for each in catalogue.analytes.values()),
        *((each, (each.codes, *(value.codes for value in each.values))) for each in catalogue.scales.values()),
    ]
    for entry, lists in groups:
        yield from ((f"{type(entry).__name__} {entry.id}", entry.source, code) for codes in lists for code in codes)
    for drug in (each for each in concepts if each.substance):
        names = " ".join(drug.names)  # each vocabulary has its own for it
        yield from ((f"drug {drug.id}", "", Code(code.system, code.code, names)) for code in drug.codes)
        yield from ((f"drug {drug.id}", "", Code(code.system, code.code, "")) for code in drug.broader)
    for ident, modifier in catalogue.modifiers.items():
        yield from ((f"modifier {ident}", modifier.source, code) for code in modifier.codes)
    yield from (("result words", "", code) for code in words if code.system is not System.INTERPRETATION)
    for ingredient in catalogue.drugs.values():
        yield "drugs.tsv", "", Code(System.RXNORM, ingredient.rxcui, ingredient.name)
    for product in catalogue.products.values():
        for rxcui in (product.rxcui, *product.ingredients):
            if rxcui != UNPLACED:
                yield f"products.tsv {product.rxcui}", "", Code(System.RXNORM, rxcui, "")


def is_sourced(code: Code, source: str) -> bool:
    """In its table; or standing in the source itself, as "B20.99 from the ICD-10 of 2019"."""
    if re.search(rf"\b{re.escape(code.code)}\b", source):
        return True
    if code.system is System.ICD10:
        bare = bare_code(code.code)
        return bare in icd10() or (len(bare) <= CATEGORY and bare in table(System.ICD10CM))
    if key(code.system, code.code) in table(code.system):
        return True
    return code.system is System.ICD10CM and len(codes_beneath(code)) > 1  # a block: its categories are in the table


def test_a_code_out_of_nowhere_would_be_found() -> None:
    assert not is_sourced(Code(System.LOINC, "99999-9", "x"), "LOINC")
    assert not is_sourced(Code(System.ICD10, "B20.99", "x"), "ICD-10 and ICD-10-CM")
    assert is_sourced(Code(System.ICD10, "B20.99", "x"), "B20.99 from ICD-10 2019")
    assert is_sourced(Code(System.ICD10, "C79.3", "x"), "ICD-10")
    assert not is_sourced(Code(System.ICD10CM, "C79.38", "x"), "ICD-10-CM")


def test_every_code_is_in_a_table_or_its_entry_names_its_source() -> None:
    offenders = [
        f"{entry}: {code.system} {code.code} {code.display}"
        for entry, source, code in all_codes()
        if not is_sourced(code, source)
    ]

    assert offenders == [], "\n" + "\n".join(offenders)


def test_no_code_carries_the_name_of_another() -> None:
    """A slip in a digit often hits another code: the display must share a word with the table's."""
    offenders = [
        f"{entry}: {code.system} {code.code} {code.display!r} is {table(code.system)[key(code.system, code.code)]!r}"
        for entry, _, code in all_codes()
        if code.display and code.system in TABLES and key(code.system, code.code) in table(code.system)
        if not words(code.display) & words(table(code.system)[key(code.system, code.code)])
    ]

    assert offenders == [], "\n" + "\n".join(offenders)


def words(display: str) -> set[str]:
    """The stems of a name's words: six letters tell `haematological` from `hepatic` and not from `haematology`."""
    return {each[:6] for each in re.findall(r"[a-z0-9]+", display.lower())}
