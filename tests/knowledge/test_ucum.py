"""Units: the official UCUM tests, what laboratories write, and what may and may not be converted."""

from __future__ import annotations

import csv
import json
import os
import xml.etree.ElementTree as ET
from decimal import Decimal, localcontext
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from app.errors import EligoError
from app.knowledge.load_units import load_unit_table
from app.knowledge.ucum import NotComparable, UnitError

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "units"
SHARED = Path(os.environ.get("ELIGO_SHARED", ROOT.parent / "shared")) / "data" / "ucum"
NAMESPACE = "{http://unitsofmeasure.org/ucum-essence}"
TABLE = load_unit_table()
CREATININE = Fraction("113.12")


def rows(name: str) -> list[dict[str, str]]:
    lines = (CASES / name).read_text(encoding="utf-8").splitlines()
    wanted = (line for line in lines if not line.startswith("#"))
    return list(csv.DictReader(wanted, delimiter="\t", quoting=csv.QUOTE_NONE))


def data(name: str) -> Any:
    return json.loads((files("app.knowledge") / "units" / name).read_text(encoding="utf-8"))


def to_digits(value: Fraction, digits: int) -> Decimal:
    with localcontext() as context:
        context.prec = digits
        return Decimal(value.numerator) / Decimal(value.denominator)


OFFICIAL = rows("ucum.tsv")
VALIDATION = [row for row in OFFICIAL if row["kind"] == "unit"]
CONVERSION = [row for row in OFFICIAL if row["kind"] == "conversion"]


def test_the_official_tests_are_complete() -> None:
    assert (len(VALIDATION), len(CONVERSION)) == (529, 30)


@pytest.mark.parametrize("row", VALIDATION, ids=lambda row: f"{row['id']} {row['unit']}")
def test_a_unit_is_valid_where_the_official_tests_say_so(row: dict[str, str]) -> None:
    if row["valid"] == "yes":
        assert TABLE.parse(row["unit"]).code == row["unit"]
    else:
        with pytest.raises(UnitError):
            TABLE.parse(row["unit"])


@pytest.mark.parametrize("row", CONVERSION, ids=lambda row: f"{row['id']} {row['unit']} to {row['to']}")
def test_a_conversion_gives_the_official_outcome_to_all_its_digits(row: dict[str, str]) -> None:
    outcome = Decimal(row["outcome"])

    converted = TABLE.convert(Fraction(row["value"]), row["unit"], row["to"])

    assert to_digits(converted, len(outcome.as_tuple().digits)) == outcome


@pytest.mark.skipif(not SHARED.is_dir(), reason="the original UCUM files are not beside this checkout")
def test_our_copies_say_what_the_original_files_say() -> None:
    tests = ET.parse(SHARED / "UcumFunctionalTests.xml").getroot()
    validation, conversion = tests.find("validation"), tests.find("conversion")
    assert validation is not None
    assert conversion is not None
    assert [(row["id"], row["unit"], row["valid"] == "yes") for row in VALIDATION] == [
        (case.get("id"), case.get("unit"), case.get("valid") == "true") for case in validation
    ]
    assert [(row["id"], row["value"], row["unit"], row["to"], row["outcome"]) for row in CONVERSION] == [
        tuple(case.get(name) for name in ("id", "value", "srcUnit", "dstUnit", "outcome")) for case in conversion
    ]

    essence = ET.parse(SHARED / "ucum-essence.xml").getroot()
    table = data("ucum.json")
    assert (table["version"], table["revision"]) == (essence.get("version"), essence.get("revision-date"))
    assert table["prefixes"] == {
        each.attrib["Code"]: value_of(each).attrib["value"] for each in essence.iter(f"{NAMESPACE}prefix")
    }
    assert table["base"] == [each.get("Code") for each in essence.iter(f"{NAMESPACE}base-unit")]
    assert table["units"] == {each.attrib["Code"]: definition(each) for each in essence.iter(f"{NAMESPACE}unit")}


def value_of(element: ET.Element) -> ET.Element:
    found = element.find(f"{NAMESPACE}value")
    assert found is not None
    return found


def definition(unit: ET.Element) -> dict[str, object]:
    value = value_of(unit)
    function = value.find(f"{NAMESPACE}function")
    source = value if function is None else function
    found: dict[str, object] = {"unit": source.get("Unit"), "value": source.get("value")}
    if function is not None:
        found["function"] = function.get("name")
    found |= {"metric": True} if unit.get("isMetric") == "yes" else {}
    found |= {"arbitrary": True} if unit.get("isArbitrary") == "yes" else {}
    return found


def test_every_unit_of_the_table_can_be_read() -> None:
    assert [code for code in data("ucum.json")["units"] if TABLE.parse(code).code != code] == []


@pytest.mark.parametrize("row", rows("spellings.tsv"), ids=lambda row: str(row["written"]))
def test_a_spelling_is_read_as_its_unit_or_not_at_all(row: dict[str, str]) -> None:
    assert TABLE.read(row["written"]) == (row["code"] or None)


@pytest.mark.parametrize(
    "text", ["", "  ", "x" * 500, "10*", "10^", "/", "m/", "(", "{", "[", "10*9999999/L", "ﷺ" * 80]
)
def test_what_is_no_unit_reads_as_none_or_as_itself(text: str) -> None:
    assert TABLE.read(text) in (None, text)


@pytest.mark.parametrize(
    ("code", "position", "what"),
    [
        ("", 0, "a unit is expected here"),
        ("m/", 2, "a unit is expected here"),
        ("mg/dX", 3, "there is no unit 'dX'"),
        ("g/12h", 4, "an operator is expected here"),
        ("mg /dL", 2, "only visible ASCII characters can stand in a code"),
        ("µg", 0, "only visible ASCII characters can stand in a code"),
        ("(m", 2, "a closing bracket is missing"),
        ("m{", 1, "a closing brace is missing"),
        ("Cel.m", 4, "a unit with a scale of its own cannot be part of a product"),
        ("/Cel", 1, "a unit with a scale of its own cannot be part of a product"),
        ("Cel2", 3, "a unit with a scale of its own has no powers"),
        ("10*999", 3, "the exponent is too large"),
        ("0.m", 0, "zero is no unit"),
        ("(" * 40 + "m" + ")" * 40, 13, "too many brackets within each other"),
        ("m" * 201, 0, "it is longer than 200 characters"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(code: str, position: int, what: str) -> None:
    with pytest.raises(UnitError) as refusal:
        TABLE.parse(code)

    assert (refusal.value.position, refusal.value.what) == (position, what)
    assert isinstance(refusal.value, EligoError)
    assert what in str(refusal.value)


# 98.6 [degF] is 37 Cel by definition, 1 mmol = 0.001 mol, and so on: figures that can be checked by hand.
EXACT = [
    ("8.9", "g/dL", "g/L", "89"),
    ("3", "10*9/L", "/mm3", "3000"),
    ("3", "10*9/L", "10*3/uL", "3"),
    ("3000", "{cells}/uL", "10*9/L", "3"),
    ("4.5", "10*12/L", "10*6/uL", "4.5"),
    ("1", "kU/L", "U/mL", "1"),
    ("60", "U/L", "ukat/L", "1"),
    ("2", "k[IU]/L", "[iU]/mL", "2"),
    ("1500", "{copies}/mL", "/mL", "1500"),
    ("1", "10*3{copies}/mL", "{copies}/L", "1000000"),
    ("98.6", "[degF]", "Cel", "37"),
    ("37", "Cel", "[degF]", "98.6"),
    ("0", "Cel", "K", "273.15"),
    ("273.15", "K", "Cel", "0"),
    ("29.6", "[degRe]", "Cel", "37"),
    ("10", "dB", "B", "1"),
    ("7.3", "[pH]", "1", "7.3"),
    ("7.3", "{pH}", "[pH]", "7.3"),
    ("0.45", "L/L", "%", "45"),
    ("1.5", "{INR}", "1", "1.5"),
    ("1.5", "{ratio}", "{INR}", "1.5"),
    ("30", "mg/g{creat}", "mg/g", "30"),
    ("2", "a", "mo", "24"),
    ("24", "h", "d", "1"),
    ("1", "[lb_av]", "kg", "0.45359237"),
    ("72", "[in_i]", "cm", "182.88"),
    ("1.440", "g/(24.h)", "mg/min", "1"),
    ("290", "mosm/kg", "mmol/kg", None),
]


@pytest.mark.parametrize(("value", "source", "target", "expected"), EXACT)
def test_a_value_is_converted_exactly(value: str, source: str, target: str, expected: str | None) -> None:
    converted = TABLE.convert(Fraction(value), source, target)

    assert converted == Fraction(expected or value)


# The clinic tells these apart though UCUM may call them equal; a conversion here could make a wrong verdict.
APART = [
    ("mL/min/{1.73_m2}", "mL/min", "only one of them is stated as 1.73 m2"),
    ("[IU]/L", "U/L", "an arbitrary unit converts only to itself"),
    ("[IU]/mL", "{copies}/mL", "an arbitrary unit converts only to itself"),
    ("[arb'U]/mL", "[IU]/mL", "an arbitrary unit converts only to itself"),
    ("/[HPF]", "/[LPF]", "an arbitrary unit converts only to itself"),
    ("{Log_copies}/mL", "{copies}/mL", "only one of them is stated as log_copies"),
    ("mg/L{FEU}", "mg/L", "only one of them is stated as FEU"),
    ("mg/L{FEU}", "mg/L{DDU}", "only one of them is stated as DDU, FEU"),
    ("{Ehrlich'U}/dL", "/dL", "only one of them is stated as ehrlich'u"),
    ("mmol/mol", "%", "only one of them is a ratio of moles"),
    ("{INR}", "%", "{inr} is a plain number and the other is none"),
    ("{Zscore}", "{INR}", "they are numbers of different things"),
    ("meq/L", "mmol/L", "equivalents need the charge of the ion"),
    ("mg/dL", "umol/L", "between mass and moles the molar mass is needed"),
    ("10*3/uL", "%", "they measure different things"),
    ("K/uL", "10*3/uL", "they measure different things"),
    ("mol/L", "/L", "they measure different things"),
    ("mg/dL", "mg", "they measure different things"),
    ("[pH]", "mol/L", "a scale that is not proportional (a logarithm or the like) has no exact conversion"),
    ("B[V]", "B[mV]", "a scale that is not proportional (a logarithm or the like) has no exact conversion"),
    ("Cel", "m", "a scale that is not proportional (a logarithm or the like) has no exact conversion"),
    ("[pH]", "%", "a scale that is not proportional (a logarithm or the like) has no exact conversion"),
]


@pytest.mark.parametrize(("source", "target", "reason"), APART)
def test_what_is_not_the_same_is_never_converted(source: str, target: str, reason: str) -> None:
    with pytest.raises(NotComparable) as refusal:
        TABLE.convert(Fraction(1), source, target)
    assert refusal.value.reason == reason
    assert str(refusal.value) == f"{source} cannot be converted to {target}: {reason}."
    assert not TABLE.comparable(source, target)
    assert not TABLE.comparable(target, source)


def test_mass_and_moles_meet_by_the_molar_mass() -> None:
    assert TABLE.convert(Fraction("1.5"), "mg/dL", "umol/L", molar_mass=CREATININE) == Fraction(15000) / CREATININE
    assert TABLE.convert(Fraction(1), "mmol/L", "mg/L", molar_mass=CREATININE) == CREATININE
    assert TABLE.convert(Fraction(1), "mg/mmol", "mg/g", molar_mass=CREATININE) == 1000 / CREATININE
    assert TABLE.comparable("mg/dL", "umol/L", molar_mass=CREATININE)
    assert not TABLE.comparable("mg/dL", "umol/L", molar_mass=Fraction(0))
    assert not TABLE.comparable("mg/dL", "[IU]/L", molar_mass=CREATININE)


@pytest.mark.parametrize("charge", [2, -2])
def test_equivalents_and_moles_meet_by_the_charge_of_the_ion(charge: int) -> None:
    assert TABLE.convert(Fraction(4), "meq/L", "mmol/L", charge=charge) == 2
    assert TABLE.convert(Fraction(2), "mmol/L", "meq/L", charge=charge) == 4
    assert TABLE.convert(Fraction(1), "meq/L", "mg/L", charge=charge, molar_mass=Fraction(40)) == 20
    assert not TABLE.comparable("meq/L", "mmol/L", charge=0)
    assert not TABLE.comparable("meq/L", "mg/L", charge=charge)


def test_international_units_of_an_enzyme_are_units_only_on_request() -> None:
    assert TABLE.convert(Fraction(40), "[IU]/L", "U/L", enzyme=True) == 40
    assert TABLE.convert(Fraction(40), "U/L", "m[iU]/mL", enzyme=True) == 40
    assert TABLE.convert(Fraction(40), "[IU]/L", "k[IU]/L", enzyme=True) == Fraction(40, 1000)
    assert not TABLE.comparable("[IU]/L", "{copies}/L", enzyme=True)


def test_a_code_that_is_none_is_comparable_with_nothing() -> None:
    assert not TABLE.comparable("mg/dX", "mg/dX")
    with pytest.raises(UnitError):
        TABLE.convert(Fraction(1), "mg/dX", "mg/dX")


def test_every_alias_has_a_source_and_stands_for_a_unit() -> None:
    aliases = data("aliases.json")
    entries = [*aliases["overrides"], *aliases["aliases"]]

    assert {source for _, _, source in entries} == set(aliases["sources"])
    assert len({spelling for spelling, _, _ in entries}) == len(entries)
    assert [entry for entry in entries if TABLE.read(entry[0]) != entry[1]] == []
    assert [entry for entry in entries if TABLE.read(entry[1]) != entry[1]] == []
    for code in (*aliases["words"], *aliases["exact_words"], *aliases["laboratory_units"]):
        TABLE.parse(code)


def test_only_overrides_win_over_a_valid_code() -> None:
    spellings = [spelling for spelling, _, _ in data("aliases.json")["aliases"]]

    assert [spelling for spelling in spellings if is_valid(spelling)] == []


def test_laboratory_units_that_differ_by_case_mean_the_same() -> None:
    by_fold: dict[str, set[tuple[Any, ...]]] = {}
    for code in data("aliases.json")["laboratory_units"]:
        unit = TABLE.parse(code)
        meaning = (unit.factor, unit.dimension, unit.arbitrary, unit.special)
        by_fold.setdefault(code.casefold(), set()).add(meaning)

    assert [fold for fold, meanings in by_fold.items() if len(meanings) > 1] == []


def is_valid(code: str) -> bool:
    try:
        TABLE.parse(code)
    except UnitError:
        return False
    return True


SECOND_OPINION = [
    ("mg/dL", "g/L"), ("g/dL", "g/L"), ("ug/L", "ng/mL"), ("ng/mL", "ug/dL"), ("ng/dL", "pg/mL"), ("mg/L", "ug/mL"),
    ("mmol/L", "umol/L"), ("nmol/L", "pmol/mL"), ("mol/m3", "mmol/L"), ("umol/d", "mmol/h"), ("U/L", "kat/L"),
    ("ukat/L", "U/L"), ("kU/L", "mU/mL"), ("mm[Hg]", "kPa"), ("kPa", "cm[H2O]"), ("m[H2O]", "bar"), ("atm", "Pa"),
    ("[psi]", "kPa"), ("kg/m2", "g/cm2"), ("mL/min", "L/h"), ("mL/s", "mL/min"), ("L/(min.m2)", "mL/(s.cm2)"),
    ("mg/kg", "ug/g"), ("mg/(kg.d)", "ug/(kg.h)"), ("g/(24.h)", "mg/min"), ("wk", "d"), ("a", "d"), ("mo", "wk"),
    ("ms", "s"), ("[lb_av]", "kg"), ("[oz_av]", "g"), ("[in_i]", "cm"), ("[ft_i]", "m"), ("[mi_i]", "km"),
    ("[gal_us]", "L"), ("[foz_us]", "mL"), ("kcal", "kJ"), ("Ci", "Bq"), ("REM", "mSv"), ("fL", "um3"),
    ("mV", "uV"), ("dyn.s/cm5", "Pa.s/m3"), ("mosm/kg", "osm/kg"), ("%", "[ppth]"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_another_implementation_converts_to_the_same_values() -> None:
    ucumvert = pytest.importorskip("ucumvert", reason="ucumvert is a dependency of development only")
    registry = ucumvert.PintUcumRegistry()

    for source, target in SECOND_OPINION:
        theirs = registry.from_ucum(source).to(registry.from_ucum(target).units)
        scale = registry.from_ucum(target).magnitude
        ours = float(TABLE.convert(Fraction(1), source, target))
        # pint has more digits of the millimetre of mercury than UCUM's definition.
        assert ours == pytest.approx(theirs.magnitude / scale, rel=1e-5), (source, target)
