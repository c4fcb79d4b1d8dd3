"""What to do next for a patient and a trial: proposals that a person accepts or not, as a CarePlan (R4) or Bundle (R5).

Missing results become ServiceRequests, missing records and questions Tasks; where nothing stands in the way the study
may be contacted. What stands in the way is told and nothing is proposed, but to look again where waiting alone changes
it. Nothing here says that somebody is eligible: that is for a person to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.emitters.canonical import fhir_id
from app.emitters.fhir import one_line, pruned
from app.emitters.guidance import collected
from app.emitters.plan import plan_canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.emitters.fhir import PublishedTrial, Resource, Target

_DRAFT = {"status": "draft", "intent": "proposal"}


def next_steps(report: dict[str, Any], trial: PublishedTrial, target: Target) -> Resource:
    """R4: a CarePlan that contains a RequestGroup and what it proposes. R5: a Bundle of them, the group first."""
    steps = list(_steps(report, trial, target))
    actions = [
        pruned(
            {
                "id": step["id"],
                "linkId": step["id"] if target.is_r5 else None,
                "title": title,
                "resource": {"reference": step["id"]},
            }
        )
        for title, step in steps
    ]
    told = _told(report)
    plan = plan_canonical(trial.id, trial.version, target)
    subject = {"reference": report["patient"]}
    if target.is_r5:
        return _bundle([step for _, step in steps], actions, told, plan, subject, report["asOf"])
    for each in actions:
        each["resource"] = {"reference": f"#{each['id']}"}
    group = pruned(
        {
            "resourceType": "RequestGroup",
            "id": "next-steps",
            "instantiatesCanonical": [plan],
            **_DRAFT,
            "subject": subject,
            "action": actions,
        }
    )
    return pruned(
        {
            "resourceType": "CarePlan",
            "id": _identity(trial),
            "contained": [*(step for _, step in steps), group],
            "instantiatesCanonical": [plan],
            **_DRAFT,
            "title": one_line(f"Next steps: {trial.title}"),
            "description": told,
            "subject": subject,
            "created": report["asOf"],
            "activity": [{"reference": {"reference": "#next-steps"}}],
        }
    )


def _bundle(
    steps: list[Resource], actions: list[Resource], told: str, plan: str, subject: Resource, as_of: str
) -> Resource:
    group = pruned(
        {
            "resourceType": "RequestOrchestration",
            "id": "next-steps",
            "instantiatesCanonical": [plan],
            **_DRAFT,
            "subject": subject,
            "authoredOn": as_of,
            "note": [{"text": told}],
            "action": actions,
        }
    )
    made = collected([group, *steps])
    addresses = {each["resource"]["id"]: each["fullUrl"] for each in made["entry"]}
    for each in actions:
        each["resource"] = {"reference": addresses[each["id"]]}
    return made


def _identity(trial: PublishedTrial) -> str:
    return fhir_id(f"next-steps-{fhir_id(trial.id)}")


def _told(report: dict[str, Any]) -> str:
    """What the record shows, in a sentence for whoever opens the plan."""
    ids: dict[str, list[str]] = {}
    for each in report["criteria"]:
        ids.setdefault(each["status"], []).append(each["id"])
    said = []
    if "fail" in ids:
        said.append(f"What stands in the way: {', '.join(ids['fail'])}.")
    if "unknown" in ids:
        said.append(f"Open for want of data: {', '.join(ids['unknown'])}.")
    if "review" in ids:
        said.append(f"For a person to tell: {', '.join(ids['review'])}.")
    if not said:
        said.append("Nothing in this record stands in the way. A qualified person decides.")
    return " ".join(said)


def _steps(report: dict[str, Any], trial: PublishedTrial, target: Target) -> Iterator[tuple[str, Resource]]:
    subject = {"for": {"reference": report["patient"]}}
    failed = [each for each in report["criteria"] if each["status"] == "fail"]
    if failed:
        dates = [each["passesFrom"] for each in failed]
        if all(dates):
            yield _look_again(max(dates), [each["id"] for each in failed], subject)
        return
    missing = {_key(each): each for one in report["criteria"] for each in _all(one, "missing")}
    for place, each in enumerate(missing.values(), 1):
        yield _obtain(f"missing-{place}", each, report, target)
    questions = {each["linkId"]: each for one in report["criteria"] for each in _all(one, "questions")}
    if questions:
        yield _ask(list(questions.values()), trial, target, subject)
    if not missing and not questions:
        yield _contact(trial, target, report)


def _all(verdict: dict[str, Any], name: str) -> Iterable[dict[str, Any]]:
    """What is listed on a criterion or any of its parts, if the criterion is open."""
    if verdict["holds"] is not None:
        return
    yield from verdict[name]
    for each in verdict["parts"]:
        yield from _all(each, name)


def _key(missing: dict[str, Any]) -> tuple[str, ...]:
    code = missing["code"]
    return (missing["type"], *((code["system"], code["code"]) if code else ("", missing["text"])))


def _obtain(ident: str, missing: dict[str, Any], report: dict[str, Any], target: Target) -> tuple[str, Resource]:
    """A result is ordered; anything else is looked for and recorded."""
    text = one_line(missing["text"])
    if missing["type"] != "Observation" or not missing["code"]:
        task = {
            "resourceType": "Task",
            "id": ident,
            **_DRAFT,
            "code": {"text": "Complete the record"},
            "description": f"{missing['type']}: {text}",
            "for": {"reference": report["patient"]},
            "authoredOn": report["asOf"],
        }
        return f"Record: {text}", task
    code = {"coding": [{key: missing["code"][key] for key in ("system", "code")}], "text": text}
    request = {
        "resourceType": "ServiceRequest",
        "id": ident,
        **_DRAFT,
        "code": {"concept": code} if target.is_r5 else code,
        "subject": {"reference": report["patient"]},
        "authoredOn": report["asOf"],
    }
    return f"Test: {text}", request


def _ask(
    questions: list[dict[str, Any]], trial: PublishedTrial, target: Target, subject: Resource
) -> tuple[str, Resource]:
    form = target.canonical.versioned("Questionnaire", trial.id, trial.version)
    task = {
        "resourceType": "Task",
        "id": "questions",
        **_DRAFT,
        "code": {"text": "Complete a questionnaire"},
        "description": one_line("; ".join(f"{each['linkId']}: {each['text']}" for each in questions)),
        **subject,
        "input": [
            {"type": {"text": "questionnaire"}, "valueCanonical": form},
            *({"type": {"text": "linkId"}, "valueString": each["linkId"]} for each in questions),
        ],
    }
    return "Answer the questions that only people can", task


def _look_again(day: str, criteria: list[str], subject: Resource) -> tuple[str, Resource]:
    task = {
        "resourceType": "Task",
        "id": "look-again",
        **_DRAFT,
        "code": {"text": "Look again"},
        "description": f"From {day} on, {', '.join(criteria)} would no longer stand in the way if nothing new happens.",
        **subject,
        "restriction": {"period": {"start": day}},
    }
    return f"Look again from {day} on", task


def _contact(trial: PublishedTrial, target: Target, report: dict[str, Any]) -> tuple[str, Resource]:
    people = [
        one_line(", ".join(part for part in (each.name, each.phone, each.email) if part))
        for each in trial.record.contacts
    ]
    whom = f" ({'; '.join(each for each in people if each)})" if any(people) else ""
    shown = f"Nothing in the record stands in the way of {trial.title}."
    words = one_line(f"{shown} Contact the study{whom}; a qualified person decides.")
    request: Resource = {
        "resourceType": "CommunicationRequest",
        "id": "contact",
        "status": "draft",
        "subject": {"reference": report["patient"]},
        "payload": [{"contentCodeableConcept": {"text": words}} if target.is_r5 else {"contentString": words}],
        "authoredOn": report["asOf"],
    }
    if target.is_r5:
        request["intent"] = "proposal"
    return "Contact the study", request
