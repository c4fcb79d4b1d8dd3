"""The criteria as a PlanDefinition (`eca-rule`) and the Library that its conditions name.

Each action's condition states the criterion's own sentence, for exclusions too: what holds is then combined by side.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.criteria.nodes import Preference
from app.emitters.canonical import fhir_id
from app.emitters.fhir import hl7_coding, one_line, plain, pruned
from app.emitters.requirements import concepts_of, requirements
from app.emitters.value_sets import value_set_canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.emitters.fhir import PublishedCriterion, PublishedTrial, Resource, Target

_SIDES = (("inclusion", "Inclusion", "What has to hold"), ("exclusion", "Exclusion", "What must not hold"))


@dataclass(frozen=True, slots=True)
class Logic:
    """The computable form of a trial: attachments as (media type, content), and canonicals that these depend on."""

    contents: tuple[tuple[str, str], ...] = ()
    depends_on: tuple[str, ...] = ()


NO_LOGIC = Logic()


def plan_definition(trial: PublishedTrial, target: Target) -> Resource:
    """The PlanDefinition."""
    return pruned(
        {
            "resourceType": "PlanDefinition",
            **_metadata("PlanDefinition", trial, target),
            "title": one_line(f"Eligibility: {trial.title}"),
            "type": {"coding": [hl7_coding("plan-definition-type", "eca-rule", "ECA Rule")]},
            "status": "active",
            "experimental": False,
            "subjectCodeableConcept": {"coding": [{"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}]},
            "description": "One action a criterion. A condition states the sentence of its criterion, also where it is "
            "an exclusion: a patient fits where all of Inclusion and none of Exclusion hold.",
            "library": [target.canonical.versioned("Library", trial.id, trial.version)],
            "relatedArtifact": [
                {
                    "type": "documentation",
                    "display": "The questions that only people can answer",
                    "resource": target.canonical.versioned("Questionnaire", trial.id, trial.version),
                }
            ],
            "action": [each for side in _SIDES if (each := _side(trial, *side, target))],
        }
    )


def plan_canonical(trial_id: str, version: int, target: Target) -> str:
    """Its address with its version."""
    return target.canonical.versioned("PlanDefinition", trial_id, version)


def library(trial: PublishedTrial, target: Target, logic: Logic = NO_LOGIC) -> Resource:
    """The logic library: one define a criterion, and what data and value sets it uses."""
    concepts = dict.fromkeys(one for each in trial.criteria for one in concepts_of(each.expression, target))
    data: list[Resource] = []
    for each in trial.criteria:
        data += [one for one in requirements(each.expression, target) if one not in data]
    depends = [value_set_canonical(each, target) for each in concepts]
    return pruned(
        {
            "resourceType": "Library",
            **_metadata("Library", trial, target),
            "title": one_line(f"Eligibility logic: {trial.title}"),
            "status": "active",
            "experimental": False,
            "type": {"coding": [hl7_coding("library-type", "logic-library", "Logic Library")]},
            "relatedArtifact": [
                {"type": "depends-on", "resource": each} for each in dict.fromkeys((*logic.depends_on, *depends))
            ],
            "dataRequirement": data,
            "content": [
                {"contentType": kind, "data": base64.b64encode(content.encode()).decode()}
                for kind, content in logic.contents
            ],
        }
    )


def _metadata(resource_type: str, trial: PublishedTrial, target: Target) -> Resource:
    return {
        "id": fhir_id(trial.id),
        "url": target.canonical.url(resource_type, trial.id),
        "version": str(trial.version),
        "name": library_name(trial.id),
    }


def library_name(trial_id: str) -> str:
    """A name for machines, `[A-Z]([A-Za-z0-9_]){0,254}`, made of the trial's id."""
    parts = "".join(each[:1].upper() + each[1:] for each in fhir_id(trial_id).replace(".", "-").split("-"))
    return parts if parts[:1].isalpha() else f"Trial{parts}"


def _side(trial: PublishedTrial, kind: str, title: str, words: str, target: Target) -> Resource | None:
    own = [each for each in trial.criteria if each.kind == kind]
    if not own:
        return None
    return pruned(
        {
            "id": kind,
            **({"linkId": kind} if target.is_r5 else {}),
            "title": title,
            "description": words,
            "groupingBehavior": "logical-group",
            "selectionBehavior": "all",
            "action": _actions(own, target),
        }
    )


def _actions(criteria: Sequence[PublishedCriterion], target: Target) -> list[Resource]:
    return [_action(each, target) for each in criteria]


def _action(criterion: PublishedCriterion, target: Target) -> Resource:
    needs = requirements(criterion.expression, target)
    is_note = isinstance(criterion.expression, Preference)
    condition = {
        "kind": "applicability",
        "expression": {"language": "text/cql-identifier", "expression": criterion.id},
    }
    return pruned(
        {
            "id": criterion.id,
            "linkId": criterion.id if target.is_r5 else None,
            "prefix": criterion.id,
            "title": one_line(criterion.says)[:_MAX_TITLE],
            "description": "A wish that binds nobody." if is_note else None,
            "textEquivalent": plain(criterion.text),
            "condition": None if is_note else [condition],
            "input": [{"requirement": each} for each in needs] if target.is_r5 else needs,
        }
    )


_MAX_TITLE = 500
