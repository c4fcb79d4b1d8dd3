"""All resources of one trial: by type, and together in one Bundle that another engine can load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.emitters.cql_logic import logic_of, shared_resources
from app.emitters.fhir import entry_of
from app.emitters.group import group
from app.emitters.plan import library, plan_definition
from app.emitters.questionnaire import questionnaire
from app.emitters.requirements import concepts_of
from app.emitters.research_study import research_study
from app.emitters.value_sets import concept_named, value_set

if TYPE_CHECKING:
    from app.emitters.fhir import PublishedTrial, Resource, Target

OF_TRIALS = ("ResearchStudy", "Group", "PlanDefinition", "Library", "Questionnaire")
"""The types of which each trial has one, in the order in which a package brings them."""


def resource_of(resource_type: str, trial: PublishedTrial, target: Target) -> Resource:
    """The trial's resource of one of the types in OF_TRIALS."""
    match resource_type:
        case "ResearchStudy":
            return research_study(trial, target)
        case "Group":
            return group(trial, target)
        case "PlanDefinition":
            return plan_definition(trial, target)
        case "Library":
            return library(trial, target, logic_of(trial, target))
        case "Questionnaire":
            return questionnaire(trial, target)
        case _:
            raise KeyError(resource_type)


def value_sets_of(trial: PublishedTrial, target: Target) -> list[Resource]:
    """The ValueSets that its criteria and conditions use."""
    named = dict.fromkeys(one for each in trial.criteria for one in concepts_of(each.expression, target))
    for words in trial.conditions:
        concept = concept_named(words, target.catalogue)
        if concept is not None:
            named[concept.id] = None
    return [value_set(target.catalogue.concepts[each], target) for each in named]


def package(trial: PublishedTrial, target: Target) -> Resource:
    """A collection Bundle: the study first, then what it needs to be understood and run."""
    made = [resource_of(each, trial, target) for each in OF_TRIALS]
    made += value_sets_of(trial, target)
    urls = {each["url"] for each in made if "url" in each}
    made += [each for each in shared_resources(trial, target) if each["url"] not in urls]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [entry_of(target, each) for each in made],
    }
