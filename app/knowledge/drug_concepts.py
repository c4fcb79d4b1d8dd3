"""Single drugs as concepts: every substance of drug_names.tsv can be named in a criterion, with no entry of its own.

A class of drugs is a concept of concepts/*.yaml. What a record says of a class only ("chemotherapy", "endocrine
therapy") is less specific than a question about one drug of it; which classes a drug is in, the codes tell.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from app.knowledge.catalogue import Code, Concept, Family, Kind, Placement, System, bare_code
from app.knowledge.records import Entry, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.knowledge.records import Problems

_SOURCE = "RxNorm (NLM); ATC index (WHO Collaborating Centre for Drug Statistics Methodology)"
_COLUMNS = ("name", "names", "rxnorm", "atc", "near", "also_in")
_DRUG_SYSTEMS = frozenset({System.RXNORM, System.ATC})


def read_drug_concepts(file: str, text: str, problems: Problems) -> dict[str, Concept]:
    """The concepts of drug_names.tsv by id.

    `names` are further names, separated by semicolons; `rxnorm` the substance's codes, `atc` those of one that RxNorm
    has not; `near` (`rxnorm:1`, `atc:L01EX`) codes that may mean it: another salt or conjugate, or the ATC groups
    beneath which it lies, for the index of single substances is not the catalogue's to give.
    """
    found: dict[str, Concept] = {}
    for row in read_table(file, text, _COLUMNS, (), problems):
        entry = Entry(file, row["name"], row, problems)
        name = row["name"]
        ident = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        names = (name, *filter(None, (each.strip() for each in row["names"].split(";"))))
        if name != name.lower() or len(set(names)) < len(names):
            entry.problem("names", "A name has capitals or stands there twice.", "Write each once, in lower case.")
        if ident in found:
            entry.problem("name", "Another drug has this name.", "Join the lines.")
        near = [each.partition(":") for each in row["near"].split()]
        if any(system not in _DRUG_SYSTEMS for system, _, _ in near):
            entry.problem("near", f"{row['near']!r} is no list of codes.", "Write rxnorm:1 or atc:L01EX.")
            continue
        found[ident] = Concept(
            id=ident,
            kind=Kind.TREATMENT,
            name=name,
            names=names,
            families=(Family.MEDICATION,),
            also_in=tuple(entry.word("also_in", each, Family) for each in row["also_in"].split()),
            codes=tuple(Code(System(key), each, name) for key in ("rxnorm", "atc") for each in row[key].split()),
            broader=tuple(Code(System(system), code, name) for system, _, code in near),
            substance=True,
            source=_SOURCE,
        )
    return found


def leave_drugs_open(
    exact: dict[tuple[str, str], Placement],
    prefix: dict[tuple[str, str], Placement],
    concepts: Mapping[str, Concept],
    closure: Mapping[str, frozenset[str]],
) -> None:
    """Make each code that stands for a class only (a procedure such as chemotherapy) vague for the class's drugs.

    A drug, or a class known by its drugs alone, may be what such a record means where its own codes are in a class that
    lists codes of that kind, and where the record is in no class of drugs that leaves it out.
    """
    held_by = _classes_of_drugs(exact, concepts, closure)
    listing = {
        each.id
        for each in concepts.values()
        if each.kind is Kind.TREATMENT and any(code.system not in _DRUG_SYSTEMS for code in each.codes)
    }
    of_drugs = {
        each
        for each, parts in closure.items()
        if any(code.system in _DRUG_SYSTEMS for part in parts for code in concepts[part].codes)
    }

    grouping = listing | of_drugs
    asked = {
        each & grouping
        for placements in (exact, prefix)
        for key, placement in placements.items()
        if key[0] not in _DRUG_SYSTEMS
        for each in (placement.concepts, placement.vague)
        if each & listing
    }
    # Drugs that no such record tells apart are looked at once, however their classes differ otherwise.
    told_apart = frozenset[str]().union(*asked)
    alike: dict[frozenset[str], set[str]] = {}
    for held, each in held_by.items():
        alike.setdefault(held & told_apart, set()).update(each)

    @cache
    def may_mean(classes: frozenset[str]) -> frozenset[str]:
        """The drugs that a code of these classes may mean."""
        drugs: set[str] = set()
        for held, each in alike.items():
            others = classes & of_drugs - held
            if any(others.isdisjoint(closure[one]) for one in classes & held & listing):
                drugs.update(each)
        return frozenset(drugs)

    for placements in (exact, prefix):
        for key, placement in placements.items():
            if key[0] in _DRUG_SYSTEMS:
                continue
            may_be = [may_mean(each & grouping) for each in (placement.concepts, placement.vague) if each & listing]
            if any(may_be):
                vague = placement.vague.union(*may_be) - placement.concepts
                placements[key] = Placement(placement.concepts, vague, known=placement.known)


def _classes_of_drugs(
    exact: Mapping[tuple[str, str], Placement],
    concepts: Mapping[str, Concept],
    closure: Mapping[str, frozenset[str]],
) -> dict[frozenset[str], list[str]]:
    """The classes that the codes of a drug, or of a class known by its drugs alone, are in; and what has the same."""
    found: dict[frozenset[str], list[str]] = {}
    for each in concepts.values():
        if each.kind is Kind.TREATMENT and each.codes and all(code.system in _DRUG_SYSTEMS for code in each.codes):
            placed = [exact[code.system.value, bare_code(code.code)] for code in each.codes]
            held = frozenset[str]().union(*(one.concepts for one in placed)) - closure[each.id]
            if held:
                found.setdefault(held, []).append(each.id)
    return found
