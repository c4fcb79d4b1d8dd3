"""The resources that Eligo reads, each with just the elements that it reads, and the names of all other types.

R4, R4B and R5 share one struct per resource; where the two give one name two shapes, the struct takes both. Whom a
record is about and what it is coded with stay raw bytes: they repeat from record to record, and each is read only
once.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

import msgspec

from app.fhir.datatypes import (
    NO_BYTES,
    CodeableConcept,
    CodeableReference,
    Dosage,
    Extension,
    Identifier,
    Period,
    Quantity,
    Range,
    Ratio,
    Raw,
    Reference,
    Shape,
    Timing,
)


class Resource(Shape, tag_field="resourceType"):
    """What every resource has. `contained` stays raw: only medications are ever looked for in it."""

    id: str | None = None
    implicit_rules: str | None = None
    modifier_extension: list[Extension] | None = None


class Patient(Resource, tag="Patient"):
    """Patient."""

    identifier: list[Identifier] | None = None
    gender: str | None = None
    birth_date: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None


class Stage(Shape):
    """Condition.stage."""

    summary: CodeableConcept | None = None


class ConditionEvidence(Shape):
    """Condition.evidence: R4 has `code` and `detail`, R5 is a CodeableReference."""

    code: list[CodeableConcept] | None = None
    detail: list[Reference] | None = None
    concept: CodeableConcept | None = None
    reference: Reference | None = None


class Condition(Resource, tag="Condition"):
    """Condition."""

    extension: list[Extension] | None = None
    clinical_status: Raw = NO_BYTES
    verification_status: Raw = NO_BYTES
    severity: CodeableConcept | None = None
    code: Raw = NO_BYTES
    body_site: list[CodeableConcept] | None = None
    subject: Raw = NO_BYTES
    onset_date_time: str | None = None
    onset_age: Quantity | None = None
    onset_period: Period | None = None
    onset_range: Range | None = None
    abatement_date_time: str | None = None
    abatement_age: Quantity | None = None
    abatement_period: Period | None = None
    abatement_range: Range | None = None
    abatement_string: str | None = None
    abatement_boolean: bool | None = None
    recorded_date: str | None = None
    stage: list[Stage] | None = None
    evidence: list[ConditionEvidence] | None = None


class ReferenceRange(Shape):
    """Observation.referenceRange."""

    modifier_extension: list[Extension] | None = None
    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None
    applies_to: list[CodeableConcept] | None = None
    age: Range | None = None
    text: str | None = None


class Component(Shape):
    """Observation.component; an Observation has the same elements."""

    modifier_extension: list[Extension] | None = None
    code: Raw = NO_BYTES
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: Raw = NO_BYTES
    value_range: Range | None = None
    value_ratio: Ratio | None = None
    data_absent_reason: CodeableConcept | None = None
    interpretation: list[CodeableConcept] | None = None
    reference_range: list[ReferenceRange] | None = None


class Observation(Resource, tag="Observation"):
    """Observation."""

    status: str | None = None
    code: Raw = NO_BYTES
    subject: Raw = NO_BYTES
    focus: list[Reference] | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    effective_instant: str | None = None
    issued: str | None = None
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: Raw = NO_BYTES
    value_range: Range | None = None
    value_ratio: Ratio | None = None
    data_absent_reason: CodeableConcept | None = None
    interpretation: list[CodeableConcept] | None = None
    body_site: CodeableConcept | None = None
    body_structure: Reference | None = None
    method: CodeableConcept | None = None
    reference_range: list[ReferenceRange] | None = None
    component: list[Component] | None = None


class DiagnosticReport(Resource, tag="DiagnosticReport"):
    """DiagnosticReport, as far as a report on tissue is read; its results are Observations of their own."""

    status: str | None = None
    code: Raw = NO_BYTES
    subject: Raw = NO_BYTES
    effective_date_time: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    conclusion_code: list[CodeableConcept] | None = None


class Procedure(Resource, tag="Procedure"):
    """Procedure: R5 renamed `performed[x]` to `occurrence[x]` and made `category` a list."""

    extension: list[Extension] | None = None
    status: str | None = None
    category: CodeableConcept | list[CodeableConcept] | None = None
    code: Raw = NO_BYTES
    subject: Raw = NO_BYTES
    performed_date_time: str | None = None
    performed_period: Period | None = None
    performed_age: Quantity | None = None
    performed_range: Range | None = None
    occurrence_date_time: str | None = None
    occurrence_period: Period | None = None
    occurrence_age: Quantity | None = None
    occurrence_range: Range | None = None
    reason_code: list[CodeableConcept] | None = None
    reason_reference: list[Reference] | None = None
    reason: list[CodeableReference] | None = None
    body_site: list[CodeableConcept] | None = None


class DispenseRequest(Shape):
    """MedicationRequest.dispenseRequest."""

    validity_period: Period | None = None
    number_of_repeats_allowed: Raw = NO_BYTES
    expected_supply_duration: Quantity | None = None


class MedicationRequest(Resource, tag="MedicationRequest"):
    """MedicationRequest."""

    contained: Raw = NO_BYTES
    extension: list[Extension] | None = None
    status: str | None = None
    intent: str | None = None
    category: list[CodeableConcept] | None = None
    do_not_perform: bool | None = None
    medication_codeable_concept: Raw = NO_BYTES
    medication_reference: Reference | None = None
    medication: CodeableReference | None = None
    subject: Raw = NO_BYTES
    authored_on: str | None = None
    reason_code: list[CodeableConcept] | None = None
    reason_reference: list[Reference] | None = None
    reason: list[CodeableReference] | None = None
    dosage_instruction: list[Dosage] | None = None
    dispense_request: DispenseRequest | None = None


class Adherence(Shape):
    """MedicationStatement.adherence (R5)."""

    code: CodeableConcept | None = None


class MedicationStatement(Resource, tag="MedicationStatement"):
    """MedicationStatement: in R5 its `status` is about the record and `adherence` says whether it is taken."""

    contained: Raw = NO_BYTES
    extension: list[Extension] | None = None
    status: str | None = None
    category: CodeableConcept | list[CodeableConcept] | None = None
    medication_codeable_concept: Raw = NO_BYTES
    medication_reference: Reference | None = None
    medication: CodeableReference | None = None
    subject: Raw = NO_BYTES
    effective_date_time: str | None = None
    effective_period: Period | None = None
    effective_timing: Timing | None = None
    reason_code: list[CodeableConcept] | None = None
    reason_reference: list[Reference] | None = None
    reason: list[CodeableReference] | None = None
    dosage: list[Dosage] | None = None
    adherence: Adherence | None = None


class MedicationUsage(MedicationStatement, tag="MedicationUsage"):
    """MedicationUsage, as MedicationStatement was called on the way to R5."""


class MedicationAdministration(Resource, tag="MedicationAdministration"):
    """MedicationAdministration; R5 spells its time `occurence[x]`."""

    contained: Raw = NO_BYTES
    extension: list[Extension] | None = None
    status: str | None = None
    category: CodeableConcept | list[CodeableConcept] | None = None
    medication_codeable_concept: Raw = NO_BYTES
    medication_reference: Reference | None = None
    medication: CodeableReference | None = None
    subject: Raw = NO_BYTES
    effective_date_time: str | None = None
    effective_period: Period | None = None
    occurence_date_time: str | None = None
    occurence_period: Period | None = None
    reason_code: list[CodeableConcept] | None = None
    reason_reference: list[Reference] | None = None
    reason: list[CodeableReference] | None = None
    dosage: Dosage | None = None


class MedicationDispense(Resource, tag="MedicationDispense"):
    """MedicationDispense."""

    contained: Raw = NO_BYTES
    extension: list[Extension] | None = None
    status: str | None = None
    category: CodeableConcept | list[CodeableConcept] | None = None
    medication_codeable_concept: Raw = NO_BYTES
    medication_reference: Reference | None = None
    medication: CodeableReference | None = None
    subject: Raw = NO_BYTES
    days_supply: Quantity | None = None
    when_prepared: str | None = None
    when_handed_over: str | None = None
    dosage_instruction: list[Dosage] | None = None


class Ingredient(Shape):
    """Medication.ingredient."""

    item_codeable_concept: CodeableConcept | None = None
    item_reference: Reference | None = None
    item: CodeableReference | None = None


class Medication(Resource, tag="Medication"):
    """Medication."""

    contained: Raw = NO_BYTES
    status: str | None = None
    code: CodeableConcept | None = None
    ingredient: list[Ingredient] | None = None


class Immunization(Resource, tag="Immunization"):
    """Immunization."""

    status: str | None = None
    vaccine_code: Raw = NO_BYTES
    patient: Raw = NO_BYTES
    occurrence_date_time: str | None = None
    site: CodeableConcept | None = None
    route: CodeableConcept | None = None
    reason_code: list[CodeableConcept] | None = None
    reason_reference: list[Reference] | None = None
    reason: list[CodeableReference] | None = None


class Reaction(Shape):
    """AllergyIntolerance.reaction."""

    substance: CodeableConcept | None = None
    manifestation: list[CodeableReference] | None = None
    severity: str | None = None


class AllergyIntolerance(Resource, tag="AllergyIntolerance"):
    """AllergyIntolerance."""

    clinical_status: Raw = NO_BYTES
    verification_status: Raw = NO_BYTES
    criticality: str | None = None
    code: Raw = NO_BYTES
    patient: Raw = NO_BYTES
    reaction: list[Reaction] | None = None


class ServiceRequest(Resource, tag="ServiceRequest"):
    """ServiceRequest; `code` is a CodeableReference in R5."""

    extension: list[Extension] | None = None
    status: str | None = None
    intent: str | None = None
    category: list[CodeableConcept] | None = None
    do_not_perform: bool | None = None
    code: CodeableReference | None = None
    subject: Raw = NO_BYTES
    occurrence_date_time: str | None = None
    occurrence_period: Period | None = None
    occurrence_timing: Timing | None = None
    reason_code: list[CodeableConcept] | None = None
    reason_reference: list[Reference] | None = None
    reason: list[CodeableReference] | None = None
    body_site: list[CodeableConcept] | None = None


class Participant(Shape):
    """Appointment.participant."""

    actor: Reference | None = None


class Appointment(Resource, tag="Appointment"):
    """Appointment; its patient is a participant (or, in R5, the subject)."""

    status: str | None = None
    service_type: list[CodeableReference] | None = None
    reason_code: list[CodeableConcept] | None = None
    reason_reference: list[Reference] | None = None
    reason: list[CodeableReference] | None = None
    start: str | None = None
    end: str | None = None
    subject: Raw = NO_BYTES
    participant: list[Participant] | None = None


class Progress(Shape):
    """ResearchSubject.progress (R5)."""

    subject_state: CodeableConcept | None = None
    start_date: str | None = None
    end_date: str | None = None


class ResearchSubject(Resource, tag="ResearchSubject"):
    """ResearchSubject: in R5 `status` is about the record and `progress` about the subject."""

    status: str | None = None
    period: Period | None = None
    study: Reference | None = None
    individual: Raw = NO_BYTES
    subject: Raw = NO_BYTES
    progress: list[Progress] | None = None


class ResearchStudy(Resource, tag="ResearchStudy"):
    """ResearchStudy, as far as it says which one it is."""

    identifier: list[Identifier] | None = None
    title: str | None = None
    category: list[CodeableConcept] | None = None
    study_design: list[CodeableConcept] | None = None
    primary_purpose_type: CodeableConcept | None = None


class ProvisionData(Shape):
    """Consent.provision.data."""

    reference: Reference | None = None


class Provision(Shape):
    """Consent.provision; in R4 the root one has the `type` that R5 calls Consent.decision."""

    type: str | None = None
    period: Period | None = None
    data: list[ProvisionData] | None = None


class Consent(Resource, tag="Consent"):
    """Consent."""

    status: str | None = None
    scope: CodeableConcept | None = None
    category: list[CodeableConcept] | None = None
    patient: Raw = NO_BYTES
    subject: Raw = NO_BYTES
    date_time: str | None = None
    date: str | None = None
    period: Period | None = None
    decision: str | None = None
    provision: Provision | list[Provision] | None = None


class QuestionnaireResponse(Resource, tag="QuestionnaireResponse"):
    """QuestionnaireResponse. Its items stay raw: only those to the Questionnaire of the trial are ever read."""

    questionnaire: str | None = None
    status: str | None = None
    subject: Raw = NO_BYTES
    authored: str | None = None
    item: Raw = NO_BYTES


class Link(Shape):
    """Bundle.link."""

    relation: str | None = None
    url: str | None = None


class NestedBundle(Resource, tag="Bundle"):
    """A Bundle as a resource of an entry: the answer to one search among others."""

    type: str | None = None
    link: list[Link] | None = None
    entry: Raw = NO_BYTES


class Unread(Resource):
    """A resource of a type that is never read; it can still be what a reference means."""


READ: tuple[type[Resource], ...] = (
    Patient, Condition, Observation, Procedure, MedicationRequest, MedicationStatement, MedicationUsage,
    MedicationAdministration, MedicationDispense, Medication, Immunization, AllergyIntolerance, ServiceRequest,
    Appointment, ResearchSubject, ResearchStudy, Consent, DiagnosticReport, QuestionnaireResponse,
    NestedBundle,
)  # fmt: skip
"""The resources that are read."""

NOT_READ: tuple[str, ...] = (
    "Account", "ActivityDefinition", "ActorDefinition", "AdministrableProductDefinition", "AdverseEvent",
    "AppointmentResponse", "ArtifactAssessment", "AuditEvent", "Basic", "Binary", "BiologicallyDerivedProduct",
    "BiologicallyDerivedProductDispense", "BodyStructure", "CapabilityStatement", "CarePlan", "CareTeam",
    "CatalogEntry", "ChargeItem", "ChargeItemDefinition", "Citation", "Claim", "ClaimResponse",
    "ClinicalImpression", "ClinicalUseDefinition", "CodeSystem", "Communication", "CommunicationRequest",
    "CompartmentDefinition", "Composition", "ConceptMap", "ConditionDefinition", "Contract", "Coverage",
    "CoverageEligibilityRequest", "CoverageEligibilityResponse", "DetectedIssue", "Device", "DeviceAssociation",
    "DeviceDefinition", "DeviceDispense", "DeviceMetric", "DeviceRequest", "DeviceUsage", "DeviceUseStatement",
    "DocumentManifest", "DocumentReference", "EffectEvidenceSynthesis", "Encounter",
    "EncounterHistory", "Endpoint", "EnrollmentRequest", "EnrollmentResponse", "EpisodeOfCare", "EventDefinition",
    "Evidence", "EvidenceReport", "EvidenceVariable", "ExampleScenario", "ExplanationOfBenefit",
    "FamilyMemberHistory", "Flag", "FormularyItem", "GenomicStudy", "Goal", "GraphDefinition", "Group",
    "GuidanceResponse", "HealthcareService", "ImagingSelection", "ImagingStudy", "ImmunizationEvaluation",
    "ImmunizationRecommendation", "ImplementationGuide", "Ingredient", "InsurancePlan", "InventoryItem",
    "InventoryReport", "Invoice", "Library", "Linkage", "List", "Location", "ManufacturedItemDefinition",
    "Measure", "MeasureReport", "Media", "MedicationKnowledge", "MedicinalProduct",
    "MedicinalProductAuthorization", "MedicinalProductContraindication", "MedicinalProductDefinition",
    "MedicinalProductIndication", "MedicinalProductIngredient", "MedicinalProductInteraction",
    "MedicinalProductManufactured", "MedicinalProductPackaged", "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect", "MessageDefinition", "MessageHeader", "MolecularSequence",
    "NamingSystem", "NutritionIntake", "NutritionOrder", "NutritionProduct", "ObservationDefinition",
    "OperationDefinition", "OperationOutcome", "Organization", "OrganizationAffiliation",
    "PackagedProductDefinition", "Parameters", "PaymentNotice", "PaymentReconciliation", "Permission", "Person",
    "PlanDefinition", "Practitioner", "PractitionerRole", "Provenance", "Questionnaire",
    "RegulatedAuthorization", "RelatedPerson", "RequestGroup", "RequestOrchestration", "Requirements",
    "ResearchDefinition", "ResearchElementDefinition", "RiskAssessment", "RiskEvidenceSynthesis", "Schedule",
    "SearchParameter", "Slot", "Specimen", "SpecimenDefinition", "StructureDefinition", "StructureMap",
    "Subscription", "SubscriptionStatus", "SubscriptionTopic", "Substance", "SubstanceDefinition",
    "SubstanceNucleicAcid", "SubstancePolymer", "SubstanceProtein", "SubstanceReferenceInformation",
    "SubstanceSourceMaterial", "SubstanceSpecification", "SupplyDelivery", "SupplyRequest", "Task",
    "TerminologyCapabilities", "TestPlan", "TestReport", "TestScript", "Transport", "ValueSet",
    "VerificationResult", "VisionPrescription",
)  # fmt: skip
"""The other resource types of R4, R4B and R5."""


def _unread(name: str) -> type[Resource]:
    made: Any = msgspec.defstruct(name, [], bases=(Unread,), tag=name, tag_field="resourceType", gc=False)
    return made  # type: ignore[no-any-return]  # defstruct does not say that the class has the bases it was given


UNREAD: tuple[type[Resource], ...] = tuple(map(_unread, NOT_READ))

AnyResource: Any = reduce(or_, (*READ, *UNREAD))
"""Any resource that FHIR has, told apart by `resourceType` while the bytes are read."""
