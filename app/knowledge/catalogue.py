"""The catalogue: what Eligo knows of medicine, as frozen records.

One catalogue serves the reader (names), the evaluator (codes) and the emitters (value sets). It is read once by
`load.py` from the YAML beside it; nothing here touches a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.knowledge.ucum import UnitTable


class System(StrEnum):
    """Short names of the code systems; `URIS` in load.py's data maps the URIs and OIDs that records carry."""

    SNOMED = "snomed"
    ICD10 = "icd10"
    ICD10CM = "icd10cm"
    LOINC = "loinc"
    RXNORM = "rxnorm"
    ATC = "atc"
    CVX = "cvx"
    NCIT = "ncit"
    INTERPRETATION = "interpretation"  # HL7's codes for what a result means (POS, NEG, ND)


PREFIX_SYSTEMS = frozenset({System.ICD10, System.ICD10CM, System.ATC})


class Family(StrEnum):
    """Where a fact may be recorded. The Medication types are one family."""

    __hash__ = str.__hash__  # families are looked up all the time; that of an enumeration is written in Python

    CONDITION = "Condition"
    PROCEDURE = "Procedure"
    MEDICATION = "Medication"
    IMMUNIZATION = "Immunization"
    ALLERGY = "AllergyIntolerance"
    OBSERVATION = "Observation"


class Kind(StrEnum):
    """What a concept is, so the reader knows which fact it makes."""

    CONDITION = "condition"
    TREATMENT = "treatment"  # drug class, procedure, radiotherapy, transfusion, cell therapy
    ALLERGEN = "allergen"
    VACCINE = "vaccine"
    SITE = "site"  # a body site


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a system; ICD-10, ICD-10-CM and ATC match by prefix, the others exactly."""

    system: System
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing that criteria speak of, with the names they use and the codes that records use.

    `families` must all be shown before absence counts; a record in one of `also_in` counts where it is sent, but need
    not be shown (a class of drugs that a Procedure may name too). `codes` are its own; `all_codes` (catalogue) adds
    those of the concepts in `includes`, transitively. `without` are codes (or prefixes) taken out again. A record
    coded with one of `broader` or `suggests` is less specific than the question: it leaves the fact unknown.
    `results` are analytes whose positive result is the same fact (HIV); one of `hinted_by` makes false unknown (a viral
    load); one of `traced_by`, which a past disease leaves too (an antibody), does so unless a negative test settles it.
    `event` marks what happens at a moment
    (infarction, surgery): its onset alone counts for windows. A `systemic` class of drugs counts by systemic
    routes only; a `substance` is one drug, not a class.
    `not_named` are display words that name something else ("family history of", "screening for").
    `open_world`: a sign or a state that nobody lists as a problem (fever, hypotension, a metal implant), so that no
    record of it says nothing. `graded_by` is the scale whose latest value says whether it is there (smoking).
    """

    id: str
    kind: Kind
    name: str
    names: tuple[str, ...]
    families: tuple[Family, ...]
    codes: tuple[Code, ...]
    source: str
    also_in: tuple[Family, ...] = ()
    includes: tuple[str, ...] = ()
    without: tuple[Code, ...] = ()
    broader: tuple[Code, ...] = ()
    suggests: tuple[Code, ...] = ()
    broader_concepts: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    hinted_by: tuple[str, ...] = ()
    traced_by: tuple[str, ...] = ()
    not_named: tuple[str, ...] = ()
    event: bool = False
    malignancy: bool = False
    metastasis: bool = False
    systemic: bool = False
    substance: bool = False
    sex: str | None = None
    half_life_h: Decimal | None = None
    high_dose: DoseThreshold | None = None
    scale_degrees: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    open_world: bool = False
    graded_by: Grading | None = None


@dataclass(frozen=True, slots=True)
class Grading:
    """A state as values of an ordinal scale: between which values it is there now, and between which it ever was.

    Ends of the scale are left out as None.
    """

    scale: str
    now: tuple[str | None, str | None]
    ever: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class DoseThreshold:
    """From which daily dose on a drug class is "high-dose": milligrams of `equivalent` a day; the source is cited."""

    mg_per_day: Decimal
    equivalent: str
    source: str


@dataclass(frozen=True, slots=True)
class Drug:
    """An RxNorm ingredient: its name, ATC codes known to the catalogue's classes, and facts that dose rules need.

    `prednisone_5mg`: milligrams equal to 5 mg of prednisone (systemic glucocorticoids only). `route`: the one that all
    its products have; `systemic` where these are several systemic ones.
    """

    rxcui: str
    name: str
    half_life_h: Decimal | None = None
    prednisone_5mg: Decimal | None = None
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """An RxNorm drug product: its ingredients, the route that its dose form says, and its strength where single."""

    rxcui: str
    ingredients: tuple[str, ...]
    route: str | None = None
    strength_mg: Decimal | None = None


class Measure(StrEnum):
    """What kind of result an analyte has."""

    QUANTITY = "quantity"
    PRESENCE = "presence"


@dataclass(frozen=True, slots=True)
class Analyte:
    """Something measured: LOINC (and SNOMED) codes, the unit it is shown in, and what converts it.

    `molar_mass` in g/mol lets mass and amount convert; `charge` lets meq convert; `enzyme` lets [IU]/L stand for U/L.
    `formula` names the derivation (formulas in evaluator) when no reported value exists; `inputs` are its analytes.
    `objects`: each lesion is judged by itself. `presence_of`: the qualitative twin (viral DNA detected).
    `one_unit`: a number without a unit can only be one of `unit` (BMI, blood pressure).
    `abnormal`: "high" or "low" where only values beyond that end of the reference range are not normal.
    `panels` are the codes of Observations that hold it as a component and have no value of their own.
    `plausible`: bounds in `unit` outside which a value is an error of entry and decides nothing.
    `percent` is the analyte that a limit in per cent is of: FEV1 in litres, or as a share of what is predicted.
    `share`: a bare number below 1 is a share of one ("FEV1/FVC < 0.70").
    `words`: what a result word means here ("positive", "negative", "neither") where it has grades of its own: HER2 2+
    is neither, 1+ is negative.
    """

    id: str
    name: str
    names: tuple[str, ...]
    measure: Measure
    codes: tuple[Code, ...]
    unit: str
    source: str
    molar_mass: Fraction | None = None
    charge: int | None = None
    enzyme: bool = False
    one_unit: bool = False
    abnormal: str | None = None
    formula: str | None = None
    inputs: tuple[str, ...] = ()
    objects: bool = False
    broader: tuple[Code, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    panels: tuple[Code, ...] = ()
    percent: str | None = None
    share: bool = False


@dataclass(frozen=True, slots=True)
class ScaleValue:
    """One value of an ordinal scale, in rank order, with the codes and words that mean it."""

    value: str
    codes: tuple[Code, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """An ordinal scale: ECOG, Karnofsky, Lansky, NYHA, Child-Pugh, dipstick, CTCAE. `values` are in ascending order."""

    id: str
    name: str
    names: tuple[str, ...]
    codes: tuple[Code, ...]
    values: tuple[ScaleValue, ...]
    source: str

    def rank(self, value: str) -> int | None:
        """The place of `value` on the scale, None where it is not on it."""
        for place, each in enumerate(self.values):
            if each.value == value:
                return place
        return None


@dataclass(frozen=True, slots=True)
class ResultWords:
    """Codes and whole strings that say positive or negative (lower case, trimmed)."""

    positive: tuple[Code, ...]
    negative: tuple[Code, ...]
    positive_words: frozenset[str]
    negative_words: frozenset[str]


class Modifier(StrEnum):
    """What is asked of codes beside the one that says what a fact is, or said with them; the ids of modifiers.yaml."""

    SEVERE = "severe"
    MODERATE = "moderate"
    MILD = "mild"
    FEMALE = "female"
    MALE = "male"
    PALLIATIVE_INTENT = "palliative-intent"
    CURATIVE_INTENT = "curative-intent"
    OTHER_INTENT = "other-intent"
    OXYGEN_FLOW = "oxygen-flow"  # recorded beside a saturation that was not measured on room air, as is the share
    OXYGEN_SHARE = "oxygen-share"
    AGE = "age"  # what a characteristic of a Group is about
    SEX = "sex"
    DISEASE = "disease"
    NO_SITE = "no-site"  # ICD categories that name no site of their own: ill-defined, unspecified, several at once


@dataclass(frozen=True, slots=True)
class CodeGroup:
    """Codes that mean one `Modifier`, and where they are from."""

    codes: tuple[Code, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Placement:
    """What a code means to the catalogue: the concepts it is, and those it is less specific than."""

    concepts: frozenset[str]
    vague: frozenset[str]
    known: bool


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words that the reader needs and no concept owns: cue phrases by category, in lower case.

    Categories are listed in `schemas/lexicon.schema.json` (neutral, judgement, consent, note, current, ever, ...).
    """

    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class SiteNames:
    """Names that a site has added: id of a concept, or of an analyte or scale -> name -> the supplement it is from."""

    concepts: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    results: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Everything, indexed. Built once by `load.load_catalogue`; `digest` identifies its content."""

    concepts: Mapping[str, Concept]
    analytes: Mapping[str, Analyte]
    scales: Mapping[str, Scale]
    drugs: Mapping[str, Drug]
    products: Mapping[str, Product]
    routes: Mapping[str, str]
    words: ResultWords
    lexicon: Lexicon
    systems: Mapping[str, System]
    histology: tuple[str, ...]
    """What the URI of a code system contains (in lower case) whose codes a pathologist gives."""
    modifiers: Mapping[Modifier, CodeGroup]
    units: UnitTable
    digest: str
    index: CodeIndex
    site_names: SiteNames = field(default_factory=SiteNames)


NOWHERE = Placement(frozenset(), frozenset(), known=False)
"""Where a code is that the catalogue does not have."""

_ELSEWHERE = Placement(frozenset(), frozenset(), known=True)
_ATC_SUBSTANCE = 7
_MEMO_SIZE = 50_000


def bare_code(code: str) -> str:
    """A code of a prefix system as it is compared: `c79.31` and `C7931` alike, without dagger, asterisk or open end."""
    return code.strip().upper().replace(".", "").rstrip("\u2020*+!#- ")


@dataclass(frozen=True, slots=True)
class CodeIndex:
    """Code -> concepts, analytes, scales; `index.py` builds it.

    `exact` answers for a code as it stands, in every system; `prefix` for whatever lies beneath a code of a prefix
    system, and its longest prefix of a code is the whole answer. Both keep codes of prefix systems bare.
    """

    exact: Mapping[tuple[str, str], Placement]
    prefix: Mapping[tuple[str, str], Placement]
    analytes: Mapping[tuple[str, str], tuple[str, ...]]
    scales: Mapping[tuple[str, str], tuple[str, ...]]
    closure: Mapping[str, frozenset[str]]
    """Concept id -> the ids of itself and everything it includes, transitively."""
    local: Mapping[tuple[str, str], str] = field(default_factory=lambda: MappingProxyType({}))
    """Codes that are here only because a site says so, each with the URLs of its ConceptMaps and supplements."""
    memo: dict[tuple[str, str], Placement] = field(default_factory=dict, compare=False, repr=False)
    """Placements already looked up, emptied when it is full: records bring any number of codes."""

    def place(self, system: str, code: str) -> Placement:
        """What a code of a record means: `NOWHERE` where the catalogue does not have it.

        ICD codes come with or without dots, dagger and asterisk. An RxNorm product is what its ingredients are. A
        whole ATC code is known even where no concept has it, for its own digits say to which group it belongs.
        """
        key = (system, code)
        found = self.memo.get(key)
        if found is None:
            if len(self.memo) >= _MEMO_SIZE:
                self.memo.clear()
            found = self.memo[key] = self._look_up(system, code)
        return found

    def mapped(self, system: str, code: str) -> str:
        """The ConceptMaps and supplements by which alone the code is known, "" where there are none."""
        if not self.local:
            return ""
        return self.local.get((system, bare_code(code) if system in PREFIX_SYSTEMS else code), "")

    def _look_up(self, system: str, code: str) -> Placement:
        if system not in PREFIX_SYSTEMS:
            return self.exact.get((system, code), NOWHERE)
        bare = bare_code(code)
        found = self.exact.get((system, bare))
        if found is not None:
            return found
        for end in range(len(bare) - 1, 0, -1):
            found = self.prefix.get((system, bare[:end]))
            if found is not None:
                return found
        return _ELSEWHERE if system == System.ATC and len(bare) == _ATC_SUBSTANCE else NOWHERE
