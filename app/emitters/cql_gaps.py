"""What CQL leaves open although it may be decided: by kind, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GapKind(StrEnum):
    """What CQL does not say of a criterion; `REASONS` says why."""

    PERSON = "person"
    UNREAD = "unread"
    NOT_BINDING = "not-binding"
    NOT_IN_CATALOGUE = "not-in-catalogue"
    CONSENT = "consent"
    CONFIRMATION = "confirmation"
    DEGREE = "degree"
    DOSE = "dose"
    ROUTE = "route"
    DETAIL = "detail"
    EXCEPTION = "exception"
    OTHER = "other-disease"
    CAUSE = "cause"
    DEFINED_BY = "defined-by"
    PLAN = "plan"
    HALF_LIFE = "half-life"
    FORMULA = "formula"
    OBJECTS = "objects"
    CIRCUMSTANCE = "circumstance"
    MOLAR = "molar-conversion"
    VIRAL_LOAD = "viral-load"
    GRADED = "graded-result"
    OPEN_WORLD = "open-world"
    REPORT = "report"
    STUDY = "study"
    ANY_ALLERGY = "any-allergy"
    REPRODUCTIVE = "reproductive-state"
    DURATION = "duration"
    MOMENT = "moment"


REASONS = {
    GapKind.PERSON: "only a person can tell",
    GapKind.UNREAD: "these words were not understood: a person reads them",
    GapKind.NOT_BINDING: "a wish, which binds nobody",
    GapKind.NOT_IN_CATALOGUE: "the catalogue has no such concept, so there are no codes to look for",
    GapKind.CONSENT: "whether a consent is for this trial is told by references that a retrieve does not follow",
    GapKind.CONFIRMATION: "what ties a report to a diagnosis are references that a retrieve does not follow",
    GapKind.DEGREE: "severity, grade or dose tell a degree in many places, or a person does; nothing there is false",
    GapKind.DOSE: "doses that run at the same time are summed, with tables of equivalence; nothing there is false",
    GapKind.ROUTE: "routes are told by tables of dose forms and words; nothing there is false",
    GapKind.DETAIL: "site, intent and reason are told by codes and references of several kinds; nothing there is false",
    GapKind.EXCEPTION: "whether a recorded instance is the exception is often for a person; nothing there is false",
    GapKind.OTHER: "which of several malignancies is the disease under study is weighed across all; nothing is false",
    GapKind.CAUSE: "a cause is told by an extension or by a person; nothing there is false",
    GapKind.DEFINED_BY: "where the deciding datum is open, whether it was recorded at all matters",
    GapKind.PLAN: "plans are asked of a person where no request is recorded",
    GapKind.HALF_LIFE: "half-lives are those of single drugs; what is recent by its days alone is false",
    GapKind.FORMULA: "the later of a reported and a computed value counts, and the formula needs molar conversion",
    GapKind.OPEN_WORLD: "signs that nobody lists, and states that a scale tells, are not false for want of a record",
    GapKind.OBJECTS: "each lesion is judged by itself",
    GapKind.CIRCUMSTANCE: "the circumstance is told by what was recorded beside the value",
    GapKind.MOLAR: "amount and mass convert by the molar mass of the analyte, which UCUM does not have",
    GapKind.VIRAL_LOAD: "a virus that is not detected is below any limit, though the result is no number",
    GapKind.GRADED: "grades such as 2+ mean something of their own for this test, in tables of words",
    GapKind.REPORT: "reports on tissue are DiagnosticReports, whose conclusions are not read here",
    GapKind.STUDY: "whether a study is another one, and of a treatment, is told by references; none recorded is false",
    GapKind.ANY_ALLERGY: "any record may be the allergy; none recorded is false",
    GapKind.REPRODUCTIVE: "tests, diagnoses and operations are weighed by their age; of a man it is false",
    GapKind.MOMENT: "some kinds of it happen at a moment, so that the onset alone counts; open where that matters",
    GapKind.DURATION: "the time is no whole number of days or months",
}


@dataclass(frozen=True, slots=True)
class NotExpressible:
    """Where CQL leaves open what may be decided: the define that it is about, the kind, and why."""

    define: str
    kind: GapKind
    reason: str
