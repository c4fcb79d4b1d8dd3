"""The registration as a ResearchStudy: everything the register gives, in R4 or R5.

R4 lacks elements for sizes, outcomes, collaborators and further titles: these are R5's, as cross-version extensions.
People, organisations and places are contained, for a register gives them no identity of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.criteria.record import IdentifierUse
from app.emitters.canonical import fhir_id
from app.emitters.fhir import (
    CROSS_VERSION,
    DATA_ABSENT,
    REGISTERED_STATUS,
    concept_of,
    hl7_coding,
    one_line,
    plain,
    pruned,
)
from app.emitters.group import group_reference, number_of
from app.emitters.value_sets import concept_coding, concept_named

if TYPE_CHECKING:
    from app.criteria.record import Contact, Identifier, Official, RegisteredDate, RegistrationRecord, Site
    from app.emitters.fhir import PublishedTrial, Resource, Target

_NCT = re.compile(r"NCT\d{8}")
# The URIs under which HL7 Terminology lists the registers.
_REGISTERS = (
    (_NCT, "https://clinicaltrials.gov/nctid"),
    (re.compile(r"20\d\d-5\d{5}-\d\d-\d\d"), "https://euclinicaltrials.eu/clinicalTrialId"),
    (re.compile(r"ISRCTN\d{8}"), "https://www.isrctn.com/ISRCTN"),
)
R4_STATUS = {
    "recruiting": "active",
    "enrolling-by-invitation": "active",
    "not-yet-recruiting": "approved",
    "active-not-recruiting": "closed-to-accrual",
    "suspended": "temporarily-closed-to-accrual",
    "completed": "completed",
    "terminated": "administratively-completed",
    "withdrawn": "withdrawn",
}
"""The words of registers as R4's `status`. What has none there (`unknown`, expanded access) has no status."""
R5_STATES = {
    "recruiting": "recruiting",
    "enrolling-by-invitation": "enrolling-by-invitation",
    "not-yet-recruiting": "not-yet-recruiting",
    "active-not-recruiting": "active-but-not-recruiting",
    "suspended": "temporarily-closed-to-accrual",
    "completed": "completed",
    "terminated": "terminated",
    "withdrawn": "withdrawn",
}
"""The same as R5's `progressStatus`."""
_PHASES = {
    ("early 1",): "early-phase-1",
    ("1",): "phase-1",
    ("1", "2"): "phase-1-phase-2",
    ("2",): "phase-2",
    ("2", "3"): "phase-2-phase-3",
    ("3",): "phase-3",
    ("4",): "phase-4",
}
_PURPOSES = frozenset(
    {
        "treatment",
        "prevention",
        "diagnostic",
        "supportive-care",
        "screening",
        "health-services-research",
        "basic-science",
        "device-feasibility",
    }
)
_ROLES = {
    "principal-investigator": "primary-investigator",
    "sub-investigator": "sub-investigator",
    "study-director": "study-director",
    "study-chair": "study-chair",
}


def research_study(trial: PublishedTrial, target: Target) -> Resource:
    """The ResearchStudy."""
    return _Study(trial, target).made()


@dataclass(slots=True)
class _Study:
    """One study while it is written; `contained` gathers whom and what it points to."""

    trial: PublishedTrial
    target: Target
    contained: list[Resource] = field(default_factory=list)

    def made(self) -> Resource:
        """All of it: what both versions have, then what each has in its own way."""
        trial, record = self.trial, self.trial.record
        conditions = record.conditions or trial.conditions
        own = self._r5() if self.target.is_r5 else self._r4()
        keywords = [concept_of(each) for each in record.keywords if each.strip()]
        return pruned(
            {
                "resourceType": "ResearchStudy",
                "id": fhir_id(trial.id),
                "contained": self.contained,
                "identifier": identifiers_of(trial.id, record, self.target.canonical.base),
                "title": one_line(record.brief_title or trial.title),
                "protocol": [{"reference": f"PlanDefinition/{fhir_id(trial.id)}"}],
                "primaryPurposeType": self._purpose(),
                "phase": self._phase(),
                "condition": [self._condition(each) for each in conditions if each.strip()],
                "keyword": keywords,
                "relatedArtifact": self._artifacts(),
                "description": plain(record.description or record.summary),
                "period": self._period(),
                "objective": [
                    pruned({"name": plain(each.name), "type": concept_of(each.type) if each.type else None,
                            "description": plain(each.description) if self.target.is_r5 else None})
                    for each in record.objectives
                ],
                "note": self._notes(),
                **own,
            }
        )  # fmt: skip

    # --- the two versions --------------------------------------------------------------------------------------------

    def _r4(self) -> Resource:
        trial, record = self.trial, self.trial.record
        status = R4_STATUS.get(trial.status)
        absent = {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}
        investigator = next((each for each in record.officials if each.role == "principal-investigator"), None)
        others = [each for each in record.officials if each is not investigator]
        return pruned(
            {
                "status": status,
                "_status": None if status else absent,
                "extension": [
                    {"url": self.target.extension_url(REGISTERED_STATUS), "valueCode": trial.status or "unknown"},
                    *(self._label_extension(each) for each in self._labels()),
                    *self._size_extensions(),
                    *self._party_extensions(others),
                    *self._outcome_extensions(),
                ],
                "category": self._design(),
                "focus": self._interventions(),
                "contact": [each for one in record.contacts if (each := _contact_detail(one))],
                "enrollment": [group_reference(trial)],
                "sponsor": self._organisation("sponsor", record.sponsor.name) if record.sponsor else None,
                "principalInvestigator": self._person("investigator", investigator) if investigator else None,
                "site": self._sites(),
                "reasonStopped": concept_of(record.why_stopped) if record.why_stopped.strip() else None,
                "arm": [
                    pruned(
                        {
                            "name": one_line(each.label),
                            "type": concept_of(each.type) if each.type else None,
                            "description": _arm_words(each.description, each.interventions),
                        }
                    )
                    for each in record.arms
                    if each.label.strip()
                ],
            }
        )

    def _r5(self) -> Resource:
        trial, record = self.trial, self.trial.record
        state = R5_STATES.get(trial.status)
        states = [{"state": {"coding": [{"system": "http://hl7.org/fhir/research-study-status", "code": state}]}}]
        updated = record.last_updated
        return pruned(
            {
                "url": self.target.canonical.url("ResearchStudy", trial.id),
                "version": str(trial.version),
                "name": one_line(record.acronym) or None,
                "status": "active",
                "extension": [
                    {"url": self.target.extension_url(REGISTERED_STATUS), "valueCode": trial.status or "unknown"}
                ],
                "date": updated.date if updated else None,
                "label": self._labels(),
                "descriptionSummary": plain(record.summary),
                "studyDesign": self._design(),
                "focus": [{"concept": each} for each in self._interventions()],
                "progressStatus": states if state else None,
                "whyStopped": concept_of(record.why_stopped) if record.why_stopped.strip() else None,
                "recruitment": self._recruitment(),
                "associatedParty": self._parties(),
                "site": self._sites(),
                "comparisonGroup": [
                    pruned(
                        {
                            "linkId": f"arm-{place}",
                            "name": one_line(each.label),
                            "type": concept_of(each.type) if each.type else None,
                            "description": _arm_words(each.description, each.interventions),
                        }
                    )
                    for place, each in enumerate(record.arms, 1)
                    if each.label.strip()
                ],
                "outcomeMeasure": [
                    pruned(
                        {
                            "name": one_line(each.measure),
                            "type": [concept_of(each.rank.value)],
                            "description": _outcome_words(each.description, each.time_frame),
                        }
                    )
                    for each in record.outcomes
                    if each.measure.strip()
                ],
            }
        )

    # --- elements ----------------------------------------------------------------------------------------------------

    def _phase(self) -> Resource:
        phases = self.trial.record.design.phases or tuple(each for each in self.trial.phase.split("/") if each)
        code = _PHASES.get(phases, "" if phases else "n-a")
        codings = [hl7_coding("research-study-phase", code)] if code else []
        return concept_of(f"Phase {'/'.join(phases)}" if phases else "Not applicable", codings)

    def _purpose(self) -> Resource | None:
        purpose = self.trial.record.design.primary_purpose
        if not purpose:
            return None
        known = [hl7_coding("research-study-prim-purp-type", purpose)] if purpose in _PURPOSES else []
        return concept_of(purpose.replace("-", " "), known)

    def _condition(self, words: str) -> Resource:
        concept = concept_named(words, self.target.catalogue)
        return concept_of(words, concept_coding(concept, self.target) if concept is not None else ())

    def _design(self) -> list[Resource]:
        design = self.trial.record.design
        named = (
            ("", design.study_type),
            ("Allocation: ", design.allocation),
            ("Intervention model: ", design.intervention_model),
            ("Masking: ", design.masking),
            ("Masked: ", ", ".join(design.who_masked)),
            ("Observational model: ", design.observational_model),
            ("Time perspective: ", design.time_perspective),
        )
        return [concept_of(f"{label}{value.replace('-', ' ')}") for label, value in named if value]

    def _interventions(self) -> list[Resource]:
        found = []
        for each in self.trial.record.interventions:
            if each.name.strip():
                kind = f"{each.type.replace('-', ' ').capitalize()}: " if each.type else ""
                others = f" ({', '.join(each.other_names)})" if each.other_names else ""
                found.append(concept_of(f"{kind}{each.name}{others}"))
        return found

    def _artifacts(self) -> list[Resource]:
        record = self.trial.record
        cited = [
            pruned({"type": "citation", "citation": plain(each.text),
                    "url": f"https://pubmed.ncbi.nlm.nih.gov/{each.pmid}/"
                    if each.pmid.isdecimal() and not self.target.is_r5 else None})
            for each in record.citations
            if each.text.strip()
        ]  # fmt: skip
        for each in record.links:
            if each.url.strip() and not re.search(r"\s", each.url.strip()):
                url = each.url.strip()
                where = {"document": {"url": url}} if self.target.is_r5 else {"url": url}
                cited.append(pruned({"type": "documentation", "display": one_line(each.label), **where}))
        return cited

    def _period(self) -> Resource | None:
        record = self.trial.record
        ends = {"start": _day(record.start), "end": _day(record.completion or record.primary_completion)}
        return pruned(ends) or None

    def _notes(self) -> list[Resource]:
        """What the register says of dates and of who is wanted, which no element holds."""
        record, population = self.trial.record, self.trial.record.population
        dates = (
            ("Start", record.start),
            ("Primary completion", record.primary_completion),
            ("Completion", record.completion),
            ("First submitted", record.first_submitted),
            ("First posted", record.first_posted),
            ("Last updated", record.last_updated),
            ("Results posted", record.results_posted),
            ("Verified", record.verified),
        )
        said = [f"{label}: {each.date}{_certainty(each)}" for label, each in dates if each is not None]
        found = [{"text": "; ".join(said)}] if said else []
        facts = (
            ("Minimum age", population.minimum_age.words() if population.minimum_age else ""),
            ("Maximum age", population.maximum_age.words() if population.maximum_age else ""),
            ("Sex", population.sex),
            ("Gender", population.gender_description),
            ("Healthy volunteers", {True: "accepted", False: "not accepted", None: ""}[population.healthy_volunteers]),
            ("Age groups", ", ".join(population.age_groups)),
            ("Sampling", population.sampling_method),
            ("Population", population.description),
            ("Last known status", record.last_known_status),
        )
        told = [f"{label}: {plain(value)}" for label, value in facts if value]
        return [*found, *([{"text": "; ".join(told)}] if told else [])]

    def _labels(self) -> list[Resource]:
        record = self.trial.record
        given = (("official", record.official_title), ("acronym", record.acronym))
        return [
            {"type": {"coding": [hl7_coding("title-type", kind)] if kind == "official" else [], "text": kind}
             if kind == "official" else {"text": kind}, "value": one_line(value)}
            for kind, value in given
            if value.strip()
        ]  # fmt: skip

    def _recruitment(self) -> Resource:
        size = self.trial.record.enrolment
        counted = {} if size is None else {"actualNumber" if size.is_actual else "targetNumber": size.count}
        return {**counted, "eligibility": group_reference(self.trial)}

    def _parties(self) -> list[Resource]:
        """Everybody who has a part in it, in R5's one list."""
        record = self.trial.record
        found = [
            _party(record.sponsor.name, "lead-sponsor", self._organisation("sponsor", record.sponsor.name))
            if record.sponsor
            else {}
        ]
        for place, each in enumerate(record.collaborators, 1):
            found.append(_party(each.name, "collaborator", self._organisation(f"collaborator-{place}", each.name)))
        for place, official in enumerate(record.officials, 1):
            role = _ROLES.get(official.role, official.role)
            found.append(_party(official.name, role, self._person(f"official-{place}", official)))
        for place, contact in enumerate(record.contacts, 1):
            telecom = _telecoms(contact)
            name = f"contact-{place}"
            self.contained.append(
                pruned({"resourceType": "PractitionerRole", "id": name,
                        "practitioner": {"display": one_line(contact.name)} if contact.name.strip() else None,
                        "contact": [{"telecom": telecom}] if telecom else None})
            )  # fmt: skip
            found.append(_party(contact.name or "Contact", "general-contact", {"reference": f"#{name}"}))
        return [each for each in found if each]

    def _organisation(self, name: str, title: str) -> Resource:
        if not any(each["id"] == name for each in self.contained):
            self.contained.append({"resourceType": "Organization", "id": name, "name": one_line(title)})
        return {"reference": f"#{name}", "display": one_line(title)}

    def _person(self, name: str, official: Official) -> Resource:
        self.contained.append({"resourceType": "Practitioner", "id": name, "name": [{"text": one_line(official.name)}]})
        return {"reference": f"#{name}", "display": one_line(official.name)}

    def _sites(self) -> list[Resource]:
        made = [self._site(place, each) for place, each in enumerate(self.trial.record.sites, 1)]
        return [each for each in made if each]

    def _site(self, place: int, site: Site) -> Resource | None:
        name = f"site-{place}"
        address = pruned(
            {
                "city": one_line(site.city),
                "state": one_line(site.state),
                "postalCode": one_line(site.postal_code),
                "country": one_line(site.country),
            }
        )
        title = one_line(site.facility) or ", ".join(address.values())
        if not title:
            return None
        here = site.latitude is not None and site.longitude is not None
        telecom = [one for each in site.contacts for one in _telecoms(each)]
        # A site that does not take patients is no place to send one; Location's own status would say it is closed.
        status = {"url": self.target.extension_url("eligo-site-status"), "valueCode": site.status}
        self.contained.append(
            pruned(
                {
                    "resourceType": "Location",
                    "id": name,
                    "extension": [status] if site.status else None,
                    "name": title,
                    "mode": "instance",
                    **({"contact": [{"telecom": telecom}] if telecom else None} if self.target.is_r5
                       else {"telecom": telecom}),
                    "address": address,
                    "position": {"longitude": number_of(site.longitude), "latitude": number_of(site.latitude)}
                    if here and site.longitude is not None and site.latitude is not None
                    else None,
                }
            )
        )  # fmt: skip
        return {"reference": f"#{name}", "display": title}

    # --- R5's elements on R4 -----------------------------------------------------------------------------------------

    def _label_extension(self, label: Resource) -> Resource:
        return _complex(
            "label",
            {"url": "type", "valueCodeableConcept": label["type"]},
            {"url": "value", "valueString": label["value"]},
        )

    def _size_extensions(self) -> list[Resource]:
        size = self.trial.record.enrolment
        if size is None:
            return []
        name = "actualNumber" if size.is_actual else "targetNumber"
        return [{"url": _cross(f"recruitment.{name}"), "valueUnsignedInt": size.count}]

    def _party_extensions(self, officials: list[Official]) -> list[Resource]:
        record = self.trial.record
        named = [("collaborator", each.name) for each in record.collaborators]
        named += [(_ROLES.get(each.role, each.role), each.name) for each in officials]
        return [
            _complex(
                "associatedParty",
                {"url": "name", "valueString": one_line(name)},
                {"url": "role", "valueCodeableConcept": _role(role)},
            )
            for role, name in named
            if name.strip()
        ]

    def _outcome_extensions(self) -> list[Resource]:
        return [
            _complex(
                "outcomeMeasure",
                {"url": "name", "valueString": one_line(each.measure)},
                {"url": "type", "valueCodeableConcept": concept_of(each.rank.value)},
                *(
                    [{"url": "description", "valueMarkdown": words}]
                    if (words := _outcome_words(each.description, each.time_frame))
                    else []
                ),
            )
            for each in self.trial.record.outcomes
            if each.measure.strip()
        ]


def _cross(element: str) -> str:
    return f"{CROSS_VERSION}/extension-ResearchStudy.{element}"


def _complex(element: str, *parts: Resource) -> Resource:
    return {"url": _cross(element), "extension": list(parts)}


def _role(role: str) -> Resource:
    known = {*_ROLES.values(), "collaborator", "lead-sponsor", "general-contact"}
    codings = [{"system": "http://hl7.org/fhir/research-study-party-role", "code": role}] if role in known else []
    return concept_of(role.replace("-", " ") or "official", codings)


def _party(name: str, role: str, party: Resource) -> Resource:
    return pruned({"name": one_line(name), "role": _role(role), "party": party})


def registry_system(value: str) -> str:
    """The URI of the register that gives such numbers, "" where none is known."""
    return next((system for pattern, system in _REGISTERS if pattern.fullmatch(value)), "")


def identifiers_of(trial_id: str, record: RegistrationRecord, base: str) -> list[Resource]:
    """All numbers of a trial, of this register and of others. `base` is Eligo's own canonical base."""
    given: list[Resource] = [_identifier(each) for each in record.identifiers if each.value.strip()]
    if not any(each["value"] == trial_id for each in given):
        # What lists and addresses here know it by: the registry number, or a name made of its title.
        own = registry_system(trial_id) or f"{base}/trial-id"
        given.insert(0, {"use": "official", "system": own, "value": trial_id})
    return given


def _identifier(identifier: Identifier) -> Resource:
    value = one_line(identifier.value)
    is_own = identifier.use is IdentifierUse.REGISTRY
    use = {IdentifierUse.REGISTRY: "official", IdentifierUse.ALIAS: "old"}.get(identifier.use, "secondary")
    system = registry_system(value) or (identifier.system if re.fullmatch(r"\S+", identifier.system) else "")
    kind = identifier.type.replace("-", " ")
    return pruned(
        {
            "use": use,
            "type": concept_of(kind) if kind and not is_own else None,
            "system": system,
            "value": value,
            "assigner": {"display": one_line(identifier.domain)} if identifier.domain.strip() else None,
        }
    )


def _telecoms(contact: Contact) -> list[Resource]:
    phone = one_line(f"{contact.phone} ext. {contact.extension}" if contact.extension else contact.phone)
    found = (("phone", phone), ("email", one_line(contact.email)))
    return [{"system": system, "value": value} for system, value in found if value]


def _contact_detail(contact: Contact) -> Resource:
    return pruned({"name": one_line(contact.name), "telecom": _telecoms(contact)})


def _arm_words(description: str, interventions: tuple[str, ...]) -> str:
    given = f"Interventions: {', '.join(interventions)}" if interventions else ""
    return "\n\n".join(each for each in (plain(description), plain(given)) if each)


def _outcome_words(description: str, time_frame: str) -> str:
    frame = f"Time frame: {time_frame}" if time_frame.strip() else ""
    return "\n\n".join(each for each in (plain(description), plain(frame)) if each)


def _certainty(when: RegisteredDate) -> str:
    return {True: "", False: " (expected)", None: ""}[when.is_actual]


def _day(when: RegisteredDate | None) -> str | None:
    return when.date if when is not None and re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", when.date) else None
