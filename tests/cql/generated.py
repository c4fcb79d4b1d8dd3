"""Patients made at random, always the same: records that bear on the criteria of a trial, well and badly recorded."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from app.criteria.nodes import (
    Elapsed,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    Measured,
    ResultIs,
    Scored,
    children,
)
from app.knowledge.catalogue import Family, System
from tests.records import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.criteria.nodes import Criterion
    from app.knowledge.catalogue import Catalogue, Code

Json = dict[str, Any]
_DAY = date(2026, 11, 22)
_SHORT = {
    System.SNOMED: "snomed", System.LOINC: "loinc", System.ICD10CM: "icd10cm", System.RXNORM: "rxnorm",
    System.ATC: "atc", System.CVX: "cvx", System.NCIT: "ncit",
}  # fmt: skip
_STRAY = ("text: something else", "local X1 A local thing", "snomed 195967001 Asthma", "icd10cm J45.909 Asthma")
_STRAY_DRUGS = ("rxnorm 161 acetaminophen", "text: a new drug", "rxnorm 4815 glyburide")


def patients(criteria: Sequence[Criterion], catalogue: Catalogue, count: int, seed: int) -> Iterator[tuple[str, Json]]:
    """So many patients whose records bear on some of the criteria, each with a name to find it again."""
    asked = sorted({each for node in criteria for each in _asked(node)})
    for number in range(count):
        chance = random.Random(seed * 1000 + number)
        records = [
            record
            for kind, id_ in chance.sample(asked, min(len(asked), chance.randint(2, 12)))
            for record in _records(kind, id_, catalogue, chance)
        ]
        yield f"generated {seed}-{number}", bundle(_person(chance), records)


def _asked(node: Criterion) -> Iterator[tuple[str, str]]:
    match node:
        case HasCondition(concept=id_) | HadTreatment(concept=id_) | HadVaccine(concept=id_) | HasAllergy(concept=id_):
            yield ("allergy" if isinstance(node, HasAllergy) else "concept"), id_
        case Elapsed(treatment=treatment):
            yield from _asked(treatment)
        case Measured(analyte=id_) | ResultIs(analyte=id_):
            yield "analyte", id_
        case Scored(scale=id_):
            yield "scale", id_
        case _:
            for each in children(node):
                yield from _asked(each)


def _person(chance: random.Random) -> Json:
    born = _DAY - timedelta(days=chance.randint(300, 33_000))
    birth = chance.choice([born.isoformat()] * 6 + [born.isoformat()[:7], born.isoformat()[:4]])
    person: Json = {"gender": chance.choice(["female", "female", "male", "male", "unknown"]), "birthDate": birth}
    if chance.random() < 0.1:
        person["deceasedDateTime"] = _when(chance)
    return person


def _when(chance: random.Random) -> str:
    day = _DAY - timedelta(days=int(chance.choice([-3, 0, 1, 7, 14, 27, 28, 29, 60, 90, 180, 400, 2000]) * 1.0))
    text = day.isoformat()
    return chance.choice([text] * 6 + [text[:7], text[:4], f"{text}T23:30:00-05:00", f"{text}T00:15:00+09:00"])


def _records(kind: str, id_: str, catalogue: Catalogue, chance: random.Random) -> Iterator[Json]:
    if kind == "analyte" and id_ in catalogue.analytes:
        for _ in range(chance.choice([1, 1, 2, 3])):
            yield from _result(id_, catalogue, chance)
    elif kind == "scale" and id_ in catalogue.scales:
        scale = catalogue.scales[id_]
        value = chance.choice(scale.values)
        said: Json = {"observation": _code(chance.choice(scale.codes)), "day": _when(chance)} if scale.codes else {}
        if said and value.value.isdigit():
            yield said | chance.choice([{"integer": int(value.value)}, {"value": f"{value.value} {{score}}"}])
        elif said:
            yield said | {"string": chance.choice([value.value, *value.words])}
    elif id_ in catalogue.concepts:
        yield from _of_concept(kind, id_, catalogue, chance)


def _of_concept(kind: str, id_: str, catalogue: Catalogue, chance: random.Random) -> Iterator[Json]:
    concept = catalogue.concepts[id_]
    own = [code for part in sorted(catalogue.index.closure[id_]) for code in catalogue.concepts[part].codes]
    wide = [*concept.broader, *concept.suggests]
    named = f"text: {chance.choice(concept.names)}" if concept.names else "text: something"
    family = chance.choice([*concept.families, *concept.also_in]) if kind != "allergy" else Family.ALLERGY
    for _ in range(chance.choice([1, 1, 1, 2])):
        stray = _STRAY_DRUGS if family in {Family.MEDICATION, Family.IMMUNIZATION} else _STRAY
        code = chance.choice([*_some(own, chance, 6), *_some(wide, chance, 1), named, *stray])
        yield _record(family, code, chance)


def _some(codes: Sequence[Code], chance: random.Random, count: int) -> list[str]:
    fit = [each for each in codes if each.system in _SHORT and "-" not in each.code]
    return [_code(each) for each in chance.choices(fit, k=count)] if fit else []


def _code(code: Code) -> str:
    return f"{_SHORT[code.system]} {code.code} {code.display or code.code}"


def _record(family: Family, code: str, chance: random.Random) -> Json:
    until = {"until": _when(chance)} if chance.random() < 0.4 else {}
    since = {"since": _when(chance)} if chance.random() < 0.8 else {}
    match family:
        case Family.CONDITION:
            status = chance.choice(
                ["active", "active", "active", "resolved", "remission", "inactive", "recurrence", None]
            )
            verified = chance.choice(["confirmed"] * 6 + ["provisional", "refuted", "entered-in-error"])
            recorded = {"recorded": _when(chance)} if chance.random() < 0.3 else {}
            return {"condition": code, "status": status, "verified": verified, **since, **until, **recorded}
        case Family.PROCEDURE:
            status = chance.choice(["completed"] * 4 + ["in-progress", "not-done", "entered-in-error", "unknown"])
            dated = {"day": _when(chance)} if chance.random() < 0.6 else {**since, **until}
            return {"procedure": code, "status": status, **dated}
        case Family.MEDICATION:
            status = chance.choice(["active", "completed", "completed", "stopped", "on-hold"])
            if chance.random() < 0.3:
                return {
                    "administration": code,
                    "day": _when(chance),
                    "status": chance.choice(["completed", "not-done"]),
                }
            if chance.random() < 0.4:
                return {"request": code, "status": status, **since}
            return {
                "statement": code,
                "status": chance.choice([status, status, "not-taken", "intended"]),
                **since,
                **until,
            }
        case Family.IMMUNIZATION:
            return {"immunization": code, "day": _when(chance), "status": chance.choice(["completed", "not-done"])}
        case Family.ALLERGY:
            verified = chance.choice(["confirmed", "confirmed", "unconfirmed", "refuted"])
            return {"allergy": code, "verified": verified, "status": chance.choice(["active", "resolved", "inactive"])}
        case _:
            return {"observation": code, "day": _when(chance), "string": chance.choice(["positive", "absent"])}


def _result(id_: str, catalogue: Catalogue, chance: random.Random) -> Iterator[Json]:
    analyte = catalogue.analytes[id_]
    if not analyte.codes:
        return
    made: Json = {"observation": _code(chance.choice(analyte.codes))}
    made["status"] = chance.choice(["final"] * 6 + ["preliminary", "registered", "cancelled"])
    if chance.random() < 0.9:
        made["day"] = _when(chance)
    if analyte.measure.value == "presence" or chance.random() < 0.1:
        word = chance.choice(["Negative", "POS", "not detected", "Reactive", "equivocal"])
        yield made | chance.choice(
            [{"string": word}, {"coded": f"text: {word}"}, {"coded": "snomed 10828004 Positive"}]
        )
        return
    number = chance.choice([0.5, 1, 1.5, 2, 3, 9, 30, 45, 60, 90, 100, 150, 450, 470])
    unit = chance.choice([analyte.unit] * 4 + ["10*3/uL", "mg/dL", "g/dL", "10*9/L", "%", "flurbs"])
    sign = chance.choice([""] * 6 + ["<", ">", "<=", ">="])
    made["value"] = f"{sign}{number}{'' if unit == '1' else f' {unit}'}"
    if chance.random() < 0.6:
        same = "" if unit == "1" else f" {unit}"
        made["range"] = [
            f"{chance.choice([0.5, 1, 10])}{same}" if chance.random() < 0.6 else None,
            f"{chance.choice([1, 1.3, 40, 100])}{chance.choice([same, ''])}" if chance.random() < 0.9 else None,
        ]
    yield made
