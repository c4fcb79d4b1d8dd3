"""The patient, taking part in studies, and consent to research become facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.evaluator.facts import ConsentFact, ParticipationFact, PatientFact, StudyNature
from app.fhir.values import BadValue, earliest_of, latest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.criteria.time import DateSpan
    from app.evaluator.facts import Source
    from app.fhir import resources
    from app.fhir.values import Values

# research-subject-status (R4) and research-subject-state (R5); "completed" is what senders write besides.
_ON_STUDY = frozenset({"on-study", "on-study-intervention", "on-study-observation"})
_WAS_ON_STUDY = frozenset({"off-study", "withdrawn", "completed", "follow-up"})
_NO_STATE = "none of the states that a subject can be in"
_NEVER_ON_STUDY = frozenset(
    {"candidate", "potential-candidate", "screening", "eligible", "ineligible", "not-registered", "pending-on-study"}
)

# The scope of an R4 Consent; R5 has no scope and takes the same code as a category.
_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
_RESEARCH = "research"


def read_patient(
    resource: resources.Patient, source: Source, birth: DateSpan | None, death: DateSpan | None
) -> PatientFact:
    """The fact; the dates come read, because a bad one is only a warning here."""
    return PatientFact(
        source=source,
        gender=resource.gender or "",
        birth=birth,
        deceased=bool(resource.deceased_boolean) or resource.deceased_date_time is not None,
        deceased_on=death,
    )


# research-study-prim-purp-type (HL7): what tries something on people, and what does not.
_TRIES = frozenset({"treatment", "prevention", "supportive-care", "device-feasibility"})
_WATCHES = frozenset({"health-services-research", "basic-science", "screening"})
_MAY_WATCH = re.compile(
    r"\b(?:observational|registry|cohort|natural history|biobank|survey|epidemiolog\w+)\b", re.IGNORECASE
)


def read_participation(
    resource: resources.ResearchSubject, source: Source, values: Values, study: resources.ResearchStudy | None
) -> ParticipationFact:
    """The fact. R5 keeps the state in `progress`: the latest one counts, and its own dates where there is no period."""
    start, end = values.ends(resource.period, "ResearchSubject.period")
    status = resource.status or ""
    if resource.progress:
        states = []
        for place, each in enumerate(resource.progress):
            path = f"ResearchSubject.progress[{place}]"
            code = next(
                (c.code for c in (each.subject_state.coding if each.subject_state else None) or () if c.code), ""
            )
            states.append(
                (code, values.date(each.start_date, f"{path}.startDate"), values.date(each.end_date, f"{path}.endDate"))
            )
        status, start, end = _latest_state(states, start, end)
    if status not in _ON_STUDY | _WAS_ON_STUDY | _NEVER_ON_STUDY:
        raise BadValue("ResearchSubject.status" if not resource.progress else "ResearchSubject.progress", _NO_STATE)
    reference = resource.study
    identifiers = [*(study.identifier or ())] if study else []
    if reference is not None and reference.identifier is not None:
        identifiers.append(reference.identifier)
    ids = [each.value for each in identifiers if each.value]
    if reference is not None and reference.reference:
        ids.append(reference.reference.rpartition("/")[2])
    title = (study.title if study else None) or (reference.display if reference else None) or ""
    return ParticipationFact(
        source=source,
        status=status,
        taking_part=status in _ON_STUDY,
        took_part=status in _WAS_ON_STUDY,
        start=start,
        end=end,
        study_ids=tuple(dict.fromkeys(ids)),
        study_title=title,
        nature=_nature(study, title),
    )


def _nature(study: resources.ResearchStudy | None, title: str) -> StudyNature:
    """By the coded purpose or design of the study, else by words of its title, which only raise the question."""
    purpose = study.primary_purpose_type if study else None
    codes = {each.code for each in (purpose.coding if purpose else None) or ()}
    if codes & _TRIES:
        return StudyNature.TREATS
    kinds = [*((study.category or ()) if study else ()), *((study.study_design or ()) if study else ())]
    words = [
        text
        for kind in kinds
        for text in (kind.text, *(each.display or each.code for each in kind.coding or ()))
        if text
    ]
    if codes & _WATCHES or any("observational" in text.lower() for text in words):
        return StudyNature.OBSERVES
    return StudyNature.MAY_OBSERVE if _MAY_WATCH.search(title) else StudyNature.UNSAID


def _latest_state(
    states: Sequence[tuple[str, DateSpan | None, DateSpan | None]], start: DateSpan | None, end: DateSpan | None
) -> tuple[str, DateSpan | None, DateSpan | None]:
    """The state that holds last, and when the subject was on study."""
    named = [each for each in states if each[0]]
    if not named:
        return "", start, end
    last = max(
        named,
        key=lambda each: (each[1].latest.toordinal() if each[1] and each[1].latest else 0, each[2] is None, each[0]),
    )
    on_study = [each for each in named if each[0] in _ON_STUDY]
    status = last[0]
    if on_study and status not in _ON_STUDY | _WAS_ON_STUDY:
        status = "off-study" if all(each[2] is not None for each in on_study) else on_study[-1][0]
    if start is None:
        start = earliest_of(each[1] for each in on_study if each[1])
    if end is None and status not in _ON_STUDY:
        end = latest_of(each[2] for each in on_study if each[2])
        if end is None and status in _WAS_ON_STUDY and last[0] in _WAS_ON_STUDY:
            end = last[1]
    return status, start, end


def read_consent(resource: resources.Consent, source: Source, values: Values, studies: tuple[str, ...]) -> ConsentFact:
    """The fact. R4 says in `scope` that it is about research and in `provision.type` whether it permits; R5 in
    `decision`.
    """
    when = values.date(
        resource.date_time or resource.date, "Consent.dateTime" if resource.date_time else "Consent.date"
    )
    provision = resource.provision
    permits = resource.decision
    if permits is None and provision is not None and not isinstance(provision, list):
        permits = provision.type
    concepts = [*([resource.scope] if resource.scope else []), *(resource.category or ())]
    research = any(
        each.code == _RESEARCH and each.system == _SCOPE for concept in concepts for each in concept.coding or ()
    )
    return ConsentFact(
        source=source,
        when=when,
        permits=permits == "permit",
        research=research,
        studies=studies,
    )
