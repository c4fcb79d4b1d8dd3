"""The catalogue loads, says what is wrong with it when it is, and places codes as its rules say."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app.knowledge.catalogue import NOWHERE, Catalogue, Code, CodeIndex, Modifier, System
from app.knowledge.index import codes_beneath
from app.knowledge.load import CatalogueError, load_catalogue, load_files, read_catalogue
from app.knowledge.load_units import load_unit_table

ROOT = Path(__file__).parents[2]
FILES = load_files()


def entries(folder: str) -> list[Any]:
    return [
        pytest.param(name, content, id=name)
        for name, content in FILES.items()
        if name.startswith(f"{folder}/") and name.endswith(".yaml")
    ]


LISTS = [
    *(entries("concepts") + entries("analytes") + entries("scales")),
    pytest.param("modifiers.yaml", FILES["modifiers.yaml"], id="modifiers.yaml"),
]


@pytest.mark.parametrize(("name", "content"), LISTS)
def test_every_file_keeps_to_its_schema(name: str, content: bytes) -> None:
    folder, in_folder, _ = name.partition("/")
    kind = folder.removesuffix("s") if in_folder else name.removesuffix(".yaml")
    schema = json.loads((ROOT / "schemas" / f"{kind}.schema.json").read_text())
    found = jsonschema.Draft202012Validator(schema).iter_errors(yaml.safe_load(content))

    assert [f"{each.json_path}: {each.message}" for each in found] == []


@pytest.mark.parametrize(("name", "content"), LISTS)
def test_entries_are_sorted_by_id(name: str, content: bytes) -> None:
    ids = [each["id"] for each in yaml.safe_load(content)]

    assert ids == sorted(ids), name


@pytest.mark.parametrize("name", ["concept", "analyte", "scale", "modifiers", "expression"])
def test_the_schemas_are_schemas(name: str) -> None:
    schema = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text())

    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_catalogue_loads_and_is_the_same_each_time() -> None:
    catalogue = load_catalogue()

    assert read_catalogue(FILES, load_unit_table()).digest == catalogue.digest
    assert read_catalogue(dict(reversed(FILES.items())), load_unit_table()).digest == catalogue.digest
    assert read_catalogue({**FILES, "lexicon.yaml": b"phrases: {}\n# more\n"}, load_unit_table()).digest != (
        catalogue.digest
    )


def test_every_unit_of_an_analyte_is_ucum() -> None:
    catalogue = load_catalogue()
    wrong = [each.id for each in catalogue.analytes.values() if catalogue.units.parse(each.unit) is None]

    assert wrong == []


def test_no_name_means_two_analytes_or_scales() -> None:
    catalogue = load_catalogue()
    names = Counter(
        name for group in (catalogue.analytes, catalogue.scales) for each in group.values() for name in each.names
    )

    # A name of a pair means both.
    pairs = {name for name in catalogue.analytes["alt"].names if name in catalogue.analytes["ast"].names} | {
        name for name in catalogue.analytes["systolic-bp"].names if name in catalogue.analytes["diastolic-bp"].names
    }
    assert [name for name, times in names.items() if times > 1 + (name in pairs)] == []


def test_no_name_means_two_concepts_of_a_kind() -> None:
    names = Counter((each.kind, name) for each in load_catalogue().concepts.values() for name in each.names)

    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("hemoglobin", "haemoglobin"),
        ("hgb", "haemoglobin"),
        ("wbc", "wbc"),
        ("white blood cell count", "wbc"),
        ("plt", "platelets"),
        ("tbil", "total-bilirubin"),
        ("bilirubin", "total-bilirubin"),
        ("sgpt", "alt"),
        ("asat", "ast"),
        ("ccr", "creatinine-clearance"),
        ("endogenous creatinine clearance", "creatinine-clearance"),
        ("hbv-dna titer", "hbv-dna"),
        ("anti-hcv", "hcv-antibody"),
        ("24-hour urine protein", "urine-protein-24h"),
        ("qtc interval", "qtc"),
        ("left ventricular ejection fraction (lvef)", "lvef"),
        ("serum pregnancy test", "pregnancy-test-serum"),
        ("length of solid tumors", "tumour-size"),
    ],
)
def test_a_name_as_criteria_write_it_is_known(name: str, meant: str) -> None:
    found = [each.id for each in load_catalogue().analytes.values() if name in each.names]

    assert found == [meant]


@pytest.mark.parametrize(
    ("code", "analyte"),
    [
        ("2160-0", {"creatinine"}),
        ("14682-9", {"creatinine"}),
        ("2161-8", set()),  # creatinine in urine
        ("4548-4", {"hba1c"}),
        ("718-7", {"haemoglobin"}),
        ("29615-2", {"hbv-dna"}),
        ("42595-9", {"hbv-dna"}),
        ("45161-7", set()),  # on a logarithmic scale: 3 is a thousand
        ("7919-4", set()),  # HIV 2 alone rules nothing out
        ("76634-5", {"qtc", "qtcf"}),
        ("1558-6", {"glucose", "fasting-glucose"}),
        ("3094-0", {"urea-nitrogen"}),
        ("80385-8", {"pregnancy-test", "pregnancy-test-serum"}),
    ],
)
def test_a_laboratory_code_leads_to_its_analytes_and_no_others(code: str, analyte: set[str]) -> None:
    assert set(load_catalogue().index.analytes.get(("loinc", code), ())) == analyte


def test_result_words_say_one_thing() -> None:
    words = load_catalogue().words

    assert {"positive", "reactive", "detected", "+", "2+"} <= words.positive_words
    assert {"negative", "non-reactive", "not detected", "-"} <= words.negative_words
    assert not {"indeterminate", "equivocal", "borderline", "trace"} & (words.positive_words | words.negative_words)
    assert not {(each.system, each.code) for each in words.positive} & {
        (each.system, each.code) for each in words.negative
    }


@pytest.mark.parametrize("scale", ["ecog", "karnofsky", "lansky", "nyha", "child-pugh", "urine-protein-dipstick"])
def test_a_word_or_code_means_one_value_of_a_scale(scale: str) -> None:
    found = load_catalogue().scales[scale]
    words = Counter(word for value in found.values for word in value.words)
    codes = Counter((code.system, code.code) for value in found.values for code in value.codes)

    assert [each for each, times in (words | codes).items() if times > 1] == []


def test_scales_are_in_ascending_order() -> None:
    scales = load_catalogue().scales

    assert [each.value for each in scales["nyha"].values] == ["I", "II", "III", "IV"]
    assert [each.value for each in scales["karnofsky"].values] == [str(each) for each in range(0, 101, 10)]
    assert scales["child-pugh"].rank("C") == 2
    assert scales["urine-protein-dipstick"].rank("trace") == 1


CONCEPTS = """
- id: brain
  kind: condition
  name: brain metastasis
  names: [brain metastasis]
  families: [Condition]
  codes: [{system: icd10cm, code: "C79.31", display: x}, {system: snomed, code: "94225005", display: x}]
  broader_concepts: [metastasis]
  suggests: [{system: icd10cm, code: "R90", display: x}]
  source: test
- id: bone
  kind: condition
  name: bone metastasis
  names: [bone metastasis]
  families: [Condition]
  codes: [{system: icd10cm, code: "C79.5", display: x}]
  source: test
- id: metastasis
  kind: condition
  name: metastasis
  names: [metastasis]
  families: [Condition]
  codes: [{system: icd10cm, code: "C77-C79", display: x}, {system: snomed, code: "128462008", display: x}]
  includes: [brain, bone]
  source: test
- id: t-cell
  kind: condition
  name: t-cell lymphoma
  names: [t-cell lymphoma]
  families: [Condition]
  codes: [{system: icd10cm, code: "C84", display: x}]
  without: [{system: icd10cm, code: "C84.A", display: x}]
  broader: [{system: icd10cm, code: "C85", display: x}, {system: icd10cm, code: "C8", display: x}]
  source: test
- id: hepatitis
  kind: condition
  name: hepatitis
  names: [hepatitis]
  families: [Condition]
  codes: [{system: icd10cm, code: "B18.1", display: x}, {system: icd10, code: "B18.8", display: x}]
  source: test
- id: steroid
  kind: treatment
  name: steroid
  names: [steroid]
  families: [Medication]
  codes: [{system: atc, code: "H02AB", display: x}, {system: rxnorm, code: "8640", display: x}]
  source: test
"""
DRUGS = "rxcui\tname\tprednisone_5mg\thalf_life_h\n8640\tprednisone\t5\t\n17767\tamlodipine\t\t\n"
DRUG_NAMES = "name\tnames\trxnorm\tatc\tnear\talso_in\n"
PRODUCTS = (
    "rxcui\tingredients\troute\tstrength_mg\n198145\t8640\toral\t10\n197361\t17767\toral\t5\n1\t17767,99\toral\t\n"
)


KEPT = ("analytes/", "scales/", "result_words.yaml", "systems.yaml", "modifiers.yaml", "lexicon.yaml")
SMALL = {name: content for name, content in FILES.items() if name.startswith(KEPT)} | {
    "concepts/x.yaml": CONCEPTS.encode(),
    "drugs.tsv": DRUGS.encode(),
    "products.tsv": PRODUCTS.encode(),
    "drug_names.tsv": DRUG_NAMES.encode(),
    "routes.yaml": b"{}",
}
"""A catalogue that no change of the real concepts can upset."""


# --- what an author is told ------------------------------------------------------------------------------------------


def refused(**files: str) -> str:
    changed = {name.replace("__", "/").replace("_yaml", ".yaml"): text.encode() for name, text in files.items()}
    with pytest.raises(CatalogueError) as caught:
        read_catalogue({**SMALL, **changed}, load_unit_table())
    return str(caught.value)


CONCEPT = "- {id: made-up, kind: condition, name: made up, names: [made up], families: [Condition], source: nowhere"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (f"{CONCEPT}, colour: red}}", "concepts/zz.yaml: made-up colour: This key is not known here."),
        (f"{CONCEPT}, includes: [no-such]}}", "made-up includes: There is no 'no-such'."),
        (f"{CONCEPT}, includes: [made-up]}}", "It includes itself: made-up -> made-up."),
        (f"{CONCEPT}, codes: [{{system: icd10cm, code: 79, display: x}}]}}", "is not a code. Write {system: snomed"),
        (f"{CONCEPT}, codes_from: snomed/none.tsv}}", "There is no list 'snomed/none.tsv'."),
        (f"{CONCEPT}, half_life_h: 4.5}}", "4.5 is not an exact number."),
        (f"{CONCEPT}, event: maybe}}", "'maybe' is neither true nor false."),
        ("- {id: Made Up}", "'Made Up' is not in kebab-case."),
        ("- {id: made-up", "concepts/zz.yaml: : This is not YAML"),
        ("id: made-up", "This file is not a list of entries."),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(entry: str, said: str) -> None:
    assert said in refused(concepts__zz_yaml=entry)


def test_all_problems_are_told_at_once() -> None:
    said = refused(concepts__zz_yaml=f"{CONCEPT}, colour: red, event: 1}}", analytes__zz_yaml="- {id: x}")

    assert {"made-up colour", "made-up event", "x measure", "x source"} <= {
        line.split(": ")[1] for line in said.splitlines()[1:]
    }


def test_a_missing_file_is_an_error() -> None:
    rest = {name: content for name, content in SMALL.items() if name != "systems.yaml"}

    with pytest.raises(CatalogueError, match=r"systems\.yaml: : The file is missing"):
        read_catalogue(rest, load_unit_table())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{positive: [3+], negative: [3+]}", "means two things"),
        ("{neither: [Equivocal]}", "is not in lower case"),
        ("{maybe: [2+]}", "This key is not known here."),
    ],
)
def test_wrong_words_of_a_result_are_refused(words: str, said: str) -> None:
    entry = f"- {{id: made-up, name: x, names: [x], measure: presence, codes: [], words: {words}, source: nowhere}}"

    assert said in refused(analytes__zz_yaml=entry)


def test_one_id_in_two_files_is_an_error() -> None:
    entry = "- {id: alt, name: x, names: [x], measure: presence, codes: [], source: nowhere}"

    assert "Another file has this id too." in refused(analytes__zz_yaml=entry)


ROUTES = """
oral: {codes: [{system: snomed, code: "26643006", display: Oral route}], words: [po, oral]}
intravenous: {words: [iv]}
"""


def test_routes_lead_from_codes_and_words() -> None:
    read = read_catalogue({**SMALL, "routes.yaml": ROUTES.encode()}, load_unit_table())

    assert read.routes == {"snomed|26643006": "oral", "po": "oral", "oral": "oral", "iv": "intravenous"}


def test_a_word_for_two_routes_is_refused() -> None:
    assert "intravenous: 'po' is on another route too." in refused(routes_yaml=ROUTES.replace("[iv]", "[iv, po]"))


MODIFIERS = FILES["modifiers.yaml"].decode()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (MODIFIERS.replace("- id: severe", "- id: very-severe"), "very-severe id: Nothing asks for it."),
        (MODIFIERS.replace("- id: severe", "- id: very-severe"), "severe: This entry is missing. Add `- id: severe`."),
        (MODIFIERS.replace('code: "24484000"', "code: 24484000"), "severe codes: {'system': 'snomed'"),
        (MODIFIERS[: MODIFIERS.index("- id: severe")] + "- {id: severe, source: x}", "codes: There are no codes."),
    ],
)
def test_a_modifier_that_is_not_as_asked_is_refused(changed: str, said: str) -> None:
    assert changed != MODIFIERS
    assert said in refused(modifiers_yaml=changed)


def test_every_modifier_has_codes_and_no_code_says_two_things() -> None:
    modifiers = load_catalogue().modifiers
    codes = Counter((code.system, code.code) for each in modifiers.values() for code in each.codes)

    assert set(modifiers) == set(Modifier)
    assert all(each.codes for each in modifiers.values())
    assert [each for each, times in codes.items() if times > 1] == []


CODE = re.compile(
    r"[1-9]\d{5,17}|\d{3,5}-\d|[A-TV-Z]\d[0-9AB](\.\w{1,4})?|[A-DGHJ-NPRSV][0-2]\d[A-Z]{1,2}(\d\d)?|.*\b2\.16\.840\..*"
)
"""SNOMED CT and RxNorm, LOINC, ICD-10, ATC, and whatever has an OID of theirs."""


def codes_in(source: str) -> list[str]:
    """The literals of a module that look like a code as a whole."""
    texts = [each.value for each in ast.walk(ast.parse(source)) if isinstance(each, ast.Constant)]
    return [each for each in texts if isinstance(each, str) and CODE.fullmatch(each)]


def test_no_code_stands_outside_the_catalogue() -> None:
    modules = [each for each in (ROOT / "app").rglob("*.py") if each.parent.name not in {"knowledge", "demo"}]
    found = {str(each.relative_to(ROOT)): codes_in(each.read_text()) for each in modules}

    assert len(modules) > 50
    assert {name: codes for name, codes in found.items() if codes} == {}


def test_a_code_outside_the_catalogue_would_be_found() -> None:
    written = ["24484000", "3151-8", "C76", "C79.31", "H02AB", "2.16.840.1.113883.6.43.1"]

    assert codes_in(f"codes = {written}") == written


# --- where a code is placed ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made_up() -> Catalogue:
    return read_catalogue(SMALL, load_unit_table())


@pytest.mark.parametrize(
    ("system", "code", "concepts", "vague"),
    [
        ("snomed", "94225005", "brain metastasis", ""),
        ("snomed", "128462008", "metastasis", "brain"),
        ("icd10cm", "C79.31", "brain metastasis", ""),
        ("icd10cm", "c7931", "brain metastasis", ""),
        ("icd10cm", "C79.51", "bone metastasis", ""),  # a sibling is something else, not less specific
        ("icd10cm", "C78.7", "metastasis", "brain"),  # general, for nothing that it includes claims it
        ("icd10cm", "C79.9", "metastasis", "brain"),  # unspecified site
        ("icd10cm", "C79.90", "metastasis", "brain"),
        ("icd10cm", "C79.3", "metastasis", "brain"),  # the heading over C79.31
        ("icd10cm", "C79", "metastasis", "brain bone"),
        ("icd10cm", "R90.0", "", "brain metastasis"),  # what hints at a part hints at the whole
        ("icd10", "C79.3", "metastasis", "brain"),  # ICD-10 has brain and meninges in one code
        ("icd10", "C79.3†", "metastasis", "brain"),
        ("icd10", "C79.5", "bone metastasis", ""),
        ("icd10cm", "C84.4", "t-cell", ""),
        ("icd10cm", "C84.A0", "", ""),
        ("icd10cm", "C85.90", "", "t-cell"),  # listed as broader and off the concept's own line: by prefix
        ("icd10cm", "C83.3", "", ""),  # beneath an ancestor of its own codes: another lymphoma
        ("icd10cm", "B18.1", "hepatitis", ""),
        ("icd10", "B18.1", "", ""),  # the concept says itself what it is in ICD-10
        ("icd10", "B18.8", "hepatitis", ""),
        ("atc", "H02AB07", "steroid", ""),
        ("atc", "H02", "", "steroid"),
        ("rxnorm", "8640", "steroid", ""),
        ("rxnorm", "198145", "steroid", ""),
        ("rxnorm", "197361", "", ""),
        ("snomed", "C79.31", "", ""),
    ],
)
def test_a_code_is_placed(made_up: Catalogue, system: str, code: str, concepts: str, vague: str) -> None:
    placed = made_up.index.place(system, code)

    assert (placed.concepts, placed.vague) == (frozenset(concepts.split()), frozenset(vague.split()))


@pytest.mark.parametrize(
    ("system", "code", "known"),
    [
        ("rxnorm", "197361", True),  # a drug that no concept wants is still a known drug
        ("rxnorm", "1", False),  # one of its ingredients is not known
        ("rxnorm", "2", False),
        ("atc", "C08CA01", True),
        ("atc", "C08", False),
        ("icd10cm", "I10", False),
        ("icd10cm", "C78.7", True),
    ],
)
def test_a_code_is_known(made_up: Catalogue, system: str, code: str, *, known: bool) -> None:
    assert made_up.index.place(system, code).known is known


def test_the_memory_of_placements_is_bounded() -> None:
    index = CodeIndex({}, {}, {}, {}, {})
    for each in range(120_000):
        assert index.place("snomed", str(each)) is NOWHERE

    assert len(index.memo) <= 50_000


def test_includes_close_over_what_they_include(made_up: Catalogue) -> None:
    assert made_up.index.closure["metastasis"] == {"metastasis", "brain", "bone"}
    assert made_up.index.closure["brain"] == {"brain"}


def longest(concept: str, code: str, catalogue: Catalogue) -> int:
    """How much of an ICD-10-CM code the concept claims, worked out from the entries as written; 0: not in it."""
    entry = catalogue.concepts[concept]

    def most(codes: tuple[Code, ...]) -> int:
        bare = [each for one in codes if one.system is System.ICD10CM for each in codes_beneath(one)]
        return max((len(each) for each in bare if code.startswith(each)), default=0)

    claimed = max(most(entry.codes), *(longest(each, code, catalogue) for each in entry.includes), 0)
    return claimed if claimed > most(entry.without) else 0


def test_the_index_says_what_the_entries_say() -> None:
    catalogue = load_catalogue()
    written = sorted({code for system, code in catalogue.index.exact if system == System.ICD10CM})
    asked = [code + more for code, more in zip(written, itertools.cycle(("", "0", "91")), strict=False)][::40]

    for code in asked:
        members = {each for each in catalogue.concepts if longest(each, code, catalogue)}
        assert catalogue.index.place("icd10cm", code).concepts == members, code
    assert len(asked) > 10
