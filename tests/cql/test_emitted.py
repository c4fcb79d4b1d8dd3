"""What the emitted CQL says, as far as it can be told without an engine."""

from __future__ import annotations

import random
import re

from app.emitters.cql import cql_library
from app.emitters.cql_gaps import REASONS, GapKind
from app.emitters.cql_terms import Starts, fold, terms_of
from app.fhir.names import fold as fold_of_records
from app.knowledge.catalogue import PREFIX_SYSTEMS
from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text

TEXT = """Inclusion Criteria:
- Age 18 to 75 years
- ANC ≥ 1.5 x 10^9/L and platelets ≥ 100 x 10^9/L
- AST ≤ 2.5 x ULN (5 x ULN if liver metastases)
Exclusion Criteria:
- Severe hepatic cirrhosis
- Investigator believes the patient is not suitable
"""


def _library(base: str = "https://trials.example.org/fhir"):
    catalogue = load_catalogue()
    return cql_library("Example", "3", read_criteria_text(TEXT, catalogue), catalogue, base)


def test_each_criterion_and_part_is_a_define_of_its_own_name() -> None:
    source = _library().source

    for name in ("I1", "I2", "I2.1", "I2.2", "I3", "I3.1", "E1", "E2"):
        assert source.count(f'define "{name}":\n') == 1, name
    assert 'define "I2":\n  "I2.1"\n    and "I2.2"' in source
    assert 'define "I3":\n  Rules.Choose("I3.1", "I3.2", "I3.3")' in source
    assert "Rules.Is(Result, '>=', 1.5, '10*9/L', false)" in source
    assert "Rules.IsNormal(Result, '<=', true, 2.5, 0, '1', false)" in source


def test_what_is_left_open_is_named_with_its_define_and_reason() -> None:
    library = _library()

    assert [each.kind for each in library.gaps_of("E1")] == [GapKind.DEGREE]
    assert [each.kind for each in library.gaps_of("E2")] == [GapKind.PERSON]
    assert library.gaps_of("I1") == ()
    assert 'define "E2":\n  null as Boolean' in library.source
    assert f"// Left open (degree): {REASONS[GapKind.DEGREE]}." in library.source


def test_whatever_is_referred_to_is_defined() -> None:
    library = _library()
    source = library.source
    defined = set(re.findall(r'^define (?:function )?"([^"]+)"', source, re.MULTILINE))
    declared = {each.name for each in library.value_sets}
    shared = set(re.findall(r'^define "([^"]+)"', library.rules.source, re.MULTILINE))
    code = "\n".join(line for line in source.splitlines() if not line.startswith(("//", "define", "valueset")))

    referred = re.findall(r'(Rules\.)?"([^"]+)"', code)
    assert {name for rules, name in referred if rules} <= shared
    assert {name for rules, name in referred if not rules} <= defined | declared
    assert all(each.url.startswith("https://trials.example.org/fhir/ValueSet/") for each in library.value_sets)
    assert all(each.members for each in library.value_sets)


def test_the_same_criteria_give_the_same_bytes() -> None:
    assert _library() == _library()


def test_beginnings_of_codes_answer_as_the_index_does() -> None:
    catalogue = load_catalogue()
    index = catalogue.index
    chance = random.Random(7)
    codes = [each for each in index.exact if each[0] in PREFIX_SYSTEMS]
    codes += [(system, f"{code}{more}") for system, code in index.prefix for more in ("0", "9", "11", "A")]

    for concept in chance.sample(sorted(catalogue.concepts), 60):
        terms = terms_of(concept, catalogue)
        if terms.starts.inside or terms.wider_starts.inside:
            for system, code in chance.sample(codes, 4000):
                placed = index.place(system, code)
                key = f"{system}:{code}|"
                assert _falls(terms.starts, key) == (concept in placed.concepts), (concept, key)
                assert _falls(terms.wider_starts, key) == (concept in placed.vague), (concept, key)


def _falls(starts: Starts, key: str) -> bool:
    """What `Beneath` and `BeneathBut` do."""
    inside = max((len(each) for each in starts.inside if key.startswith(each)), default=0)
    return inside > max((len(each) for each in starts.outside if key.startswith(each)), default=0)


def test_words_that_are_the_same_to_records_are_the_same_to_cql() -> None:
    catalogue = load_catalogue()
    names = {name for each in catalogue.concepts.values() for name in (each.name, *each.names)}
    variants = names | {f"{each}s" for each in names} | {each.replace("tumour", "tumor") for each in names}
    seen: dict[str, str] = {}

    for each in sorted(variants):
        assert seen.setdefault(fold_of_records(each), fold(each)) == fold(each), each
