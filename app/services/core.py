"""The seam to the pure core: what is read, compiled and judged, from bytes and text to bytes.

Everything here is a plain function without I/O, so that it can run in a worker process. Answers are bytes: the same
input gives the same ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from heapq import nsmallest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from app import __version__
from app.criteria.codec import CodecProblems, decode
from app.emitters.canonical import Canonical
from app.emitters.needs import needs_of_all
from app.emitters.prefetch import templates
from app.emitters.prose import says
from app.evaluator.answers import Answers
from app.evaluator.case import Memory
from app.evaluator.evaluate import Judge
from app.evaluator.report import Engine, Overall, Status, compile_trial, evaluate_trial, overall_of, statuses
from app.evaluator.writer import Writer
from app.fhir.chart import read_chart
from app.fhir.errors import NotJson, TooDeep
from app.knowledge.local import with_site_codes
from app.reader import Kind
from app.services.forms import TEXT, UnusableTrial, load_json, sent_json, sent_trial
from app.services.reading import dumps, read_sent, trial_slug
from app.services.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.criteria.nodes import Criterion
    from app.emitters.prefetch import Template
    from app.evaluator.report import CompiledTrial, Readable, Report
    from app.fhir.chart import PatientChart
    from app.knowledge.catalogue import Catalogue, System
    from app.knowledge.local import SiteCodes
    from app.services.options import Options, Wish

_BEST_FIRST = (Overall.ELIGIBLE, Overall.UNDETERMINED, Overall.INELIGIBLE)


class TrialKey(NamedTuple):
    """Which stored version is meant: the address of its content, and its number."""

    digest: str
    version: int


class Judgeable(NamedTuple):
    """What judging needs of a criterion."""

    id: str
    kind: Kind
    text: str
    expression: Criterion


@dataclass(frozen=True, slots=True)
class ReadyTrial:
    """A trial ready to be judged. `is_stored` is false for one that came along with a record and has no version."""

    compiled: CompiledTrial
    status: str
    is_stored: bool


class Desk:
    """What a process keeps from record to record: the catalogue, what equal criteria share, and trials made ready.

    Nothing of a record stays on it. One a process; not for several threads.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        canonical: Canonical | None = None,
        site: Site | None = None,
        most_entries: int | None = None,
    ) -> None:
        self.most_entries = most_entries
        self.catalogue = self._published = catalogue
        self.canonical = canonical or Canonical()
        self.site = site or Site()
        self.trials: dict[TrialKey, ReadyTrial] = {}
        self.memory = Memory(catalogue)
        self.engine = Engine(__version__, self.site.digest(catalogue.digest))
        self.tally: Counter[tuple[str, ...]] = Counter()
        """What reports came to, for whoever counts: verdicts by kind and status, what unknown ones lack, trials."""

    def localise(self, codes: SiteCodes) -> None:
        """Know a site's own codes, and no others of that kind; trials have to be made ready anew."""
        self.catalogue = with_site_codes(self._published, codes)
        self.engine = Engine(__version__, self.site.digest(self.catalogue.digest))
        self.forget()

    def forget(self) -> None:
        """Clear it of trials."""
        self.trials.clear()
        self.memory = Memory(self.catalogue)

    def ready(
        self, trial_id: str, version: int | None, title: str, status: str, criteria: Iterable[Readable]
    ) -> ReadyTrial:
        """Make a trial ready for this process."""
        compiled = compile_trial(
            trial_id, version or 0, title, criteria, lambda node: says(node, self.catalogue), self.memory
        )
        return ReadyTrial(compiled, status, version is not None)


def ready_trial(desk: Desk, version: int, document: str) -> ReadyTrial:
    """A stored document, ready to be judged."""
    trial = orjson.loads(document)
    return desk.ready(
        trial["id"], version, trial["title"], trial["status"], [_stored(each) for each in trial["criteria"]]
    )


def criteria_of(document: str) -> list[Criterion]:
    """The expressions of a stored document."""
    return [decode(each["expression"]) for each in orjson.loads(document)["criteria"]]


def judge(trial: ReadyTrial, bundle: bytes, options: Options, desk: Desk) -> bytes:
    """An EligibilityReport. Raises what `read_chart` raises."""
    return _for_one(trial, _chart(bundle, options, desk), options, desk)


def judge_each(trials: Iterable[ReadyTrial], bundle: bytes, options: Options, desk: Desk) -> list[bytes]:
    """An EligibilityReport a trial; the bundle is read once. Raises what `read_chart` raises."""
    chart = open_chart(bundle, options, desk)
    return _reports(trials, chart, options, desk, _judge(chart, options, desk, None))


def open_chart(bundle: bytes, options: Options, desk: Desk) -> PatientChart:
    """The record of the patient that the options mean. Raises what `read_chart` raises."""
    return _chart(bundle, options, desk)


def judge_all(trials: Iterable[ReadyTrial], bundle: bytes, options: Options, limit: int | None, desk: Desk) -> bytes:
    """One summary a trial, best candidates first. Raises what `read_chart` raises."""
    chart = _chart(bundle, options, desk)
    ranked = _ranked(trials, chart, options, desk, _judge(chart, options, desk, None))
    best = sorted(ranked, key=itemgetter(0)) if limit is None else nsmallest(limit, ranked, key=itemgetter(0))
    return dumps(
        {
            "patient": chart.patient.source.reference,
            "asOf": options.as_of.isoformat(),
            "total": len(ranked),
            "results": [_summary(trial, found) for _, found, trial in best],
            "warnings": [
                {"code": each.code, "text": each.text, "reference": each.reference} for each in chart.warnings
            ],
            "engine": {"version": desk.engine.version, "knowledge": desk.engine.knowledge},
        }
    )


@dataclass(frozen=True, slots=True)
class Candidates:
    """The promising trials, best first: whole reports of the first, summaries of the further ones.

    Under `breaks`, by trial, the criteria that fail because of orders that are about to be placed.
    """

    patient: str
    reports: tuple[bytes, ...]
    further: tuple[dict[str, Any], ...]
    breaks: dict[str, list[str]]


def find_candidates(
    trials: Iterable[ReadyTrial], bundle: bytes, options: Options, wish: Wish, desk: Desk
) -> Candidates:
    """The most promising trials. Raises what `read_chart` raises.

    With `wish.ordered`, the same record with orders that are about to be placed, only trials that the orders would
    rule out: each with the report under the orders.
    """
    chart = _chart(bundle, options, desk)
    shared = _judge(chart, options, desk, None)
    ranked = _ranked(trials, chart, options, desk, shared)
    promising = sorted([each for each in ranked if _is_promising(each, wish)], key=itemgetter(0))
    breaks: dict[str, list[str]] = {}
    if wish.ordered is not None:
        before = {trial.compiled.id: found for _, found, trial in promising}
        chart = _chart(wish.ordered, options, desk)
        shared = _judge(chart, options, desk, None)
        after = _ranked([trial for _, _, trial in promising], chart, options, desk, shared)
        for _, found, trial in after:
            ids = [
                criterion.part.id
                for criterion, then, now in zip(trial.compiled.criteria, before[trial.compiled.id], found, strict=True)
                if now is Status.FAIL and then is not Status.FAIL
            ]
            if ids:
                breaks[trial.compiled.id] = ids
        promising = [each for each in after if each[2].compiled.id in breaks]
    shown = [trial for _, _, trial in promising[: wish.most]]
    return Candidates(
        patient=chart.patient.source.reference,
        reports=tuple(_reports(shown, chart, options, desk, shared)),
        further=tuple([_summary(trial, found) for _, found, trial in promising[wish.most :]]),
        breaks=breaks,
    )


def _is_promising(ranked: tuple[tuple[int, int, int, int, str], list[Status], ReadyTrial], wish: Wish) -> bool:
    _, found, _ = ranked
    if Status.FAIL in found and not wish.with_ineligible:
        return False
    met, binding = found.count(Status.PASS), len(found) - found.count(Status.NOTE)
    return met > 0 and met >= wish.least_met * binding


def _ranked(
    trials: Iterable[ReadyTrial], chart: PatientChart, options: Options, desk: Desk, shared: Judge
) -> list[tuple[tuple[int, int, int, int, str], list[Status], ReadyTrial]]:
    """Each trial with its place among all and the statuses of its criteria. `shared` judges for no trial of its own."""
    # Only these two ask which trial is under evaluation; where the record has none of them, all trials share one judge.
    is_about_studies = bool(chart.participations() or chart.consents())
    ranked = []
    for trial in trials:
        one = _judge(chart, options, desk, trial) if is_about_studies else shared
        answers = _answers(chart, trial, options, desk)
        if answers is None:
            found = statuses(trial.compiled, one)
        else:
            found = [each.status for each in evaluate_trial(trial.compiled, one, desk.engine, answers).criteria]
        ranked.append((_rank(trial, found), found, trial))
    for (first, *_), _, _ in ranked:
        desk.tally["trial", _BEST_FIRST[first].value] += 1
    return ranked


def prefetch(trials: Iterable[ReadyTrial], desk: Desk) -> tuple[Template, ...]:
    """What an EHR should send along, so that these trials can be judged."""
    nodes = {criterion.part.node for trial in trials for criterion in trial.compiled.criteria}
    uris: dict[System, str] = {}
    for uri, system in desk.catalogue.systems.items():
        uris.setdefault(system, uri)
    return templates(needs_of_all(nodes, desk.catalogue), uris)


class _Inline(msgspec.Struct):
    trial: msgspec.Raw
    bundle: msgspec.Raw


def judge_inline(body: bytes, options: Options, desk: Desk) -> bytes:
    """An EligibilityReport on a trial that came along with the bundle."""
    try:
        sent = msgspec.json.decode(body, type=_Inline)
    except msgspec.ValidationError:
        raise UnusableTrial("", 'Send {"trial": ..., "bundle": {...}}, both given.') from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise NotJson(str(error)) from None
    return judge(inline_trial(bytes(sent.trial), desk), bytes(sent.bundle), options, desk)


def inline_trial(raw: bytes, desk: Desk) -> ReadyTrial:
    """A trial that came along with a record, in any form that JSON can hold; it is not stored and has no version."""
    trial = load_json(raw)
    if isinstance(trial, dict) and "criteria" in trial:
        return _given_trial(trial, desk)
    if not isinstance(trial, str | dict):
        raise UnusableTrial(
            "/trial",
            "A trial is a text, a ClinicalTrials.gov study, a FHIR ResearchStudy, or an object with `criteria`.",
        )
    sent = sent_trial(TEXT, trial) if isinstance(trial, str) else sent_json(trial, "/trial")
    registration = read_sent(sent, "/trial", desk.catalogue)
    if not registration.criteria:
        raise UnusableTrial("/trial", "No criteria were found in the trial.")
    trial_id = registration.id or trial_slug(registration)
    return desk.ready(trial_id, None, registration.title, registration.status, registration.criteria)


def _given_trial(trial: dict[str, Any], desk: Desk) -> ReadyTrial:
    """A trial whose criteria are nodes already, as a `Trial` gives them out."""
    given = trial["criteria"]
    if not isinstance(given, list) or not given:
        raise UnusableTrial("/trial/criteria", "`criteria` is a list of criteria, as a Trial has them.")
    criteria = [_given(each, index) for index, each in enumerate(given)]
    seen: set[str] = set()
    for index, each in enumerate(criteria):
        if each.id in seen:
            raise UnusableTrial(f"/trial/criteria/{index}/id", f"The id {each.id!r} is given twice.")
        seen.add(each.id)
    words = {name: str(trial.get(name) or "") for name in ("id", "title", "status")}
    return desk.ready(words["id"], None, words["title"], words["status"], criteria)


def _given(given: object, index: int) -> Judgeable:
    here = f"/trial/criteria/{index}"
    if not isinstance(given, dict):
        raise UnusableTrial(here, "A criterion is an object with `kind` and `expression`.")
    if given.get("kind") not in {each.value for each in Kind}:
        raise UnusableTrial(f"{here}/kind", "`kind` is `inclusion` or `exclusion`.")
    if "expression" not in given:
        raise UnusableTrial(f"{here}/expression", "A criterion needs its `expression`.")
    try:
        expression = decode(given["expression"])
    except CodecProblems as found:
        raise CodecProblems(
            tuple(replace(each, pointer=f"{here}/expression{each.pointer}") for each in found.problems)
        ) from None
    kind = Kind(given["kind"])
    trial_id = str(given.get("id") or f"{kind.value[0].upper()}{index + 1}")
    return Judgeable(trial_id, kind, str(given.get("text") or ""), expression)


def _stored(stored: dict[str, Any]) -> Judgeable:
    return Judgeable(stored["id"], Kind(stored["kind"]), stored["text"], decode(stored["expression"]))


def _chart(bundle: bytes, options: Options, desk: Desk) -> PatientChart:
    return read_chart(
        bundle, desk.catalogue, patient=options.patient, complete=options.complete, absence=options.absence,
        incomplete=options.incomplete, most_entries=desk.most_entries,
    )  # fmt: skip


def _judge(chart: PatientChart, options: Options, desk: Desk, trial: ReadyTrial | None) -> Judge:
    trial_ids = frozenset({trial.compiled.id} if trial is not None and trial.compiled.id else ())
    settings = desk.site.settings(options.as_of, options.max_age, trial_ids)
    return Judge(chart, desk.catalogue, settings, desk.memory)


def _reports(
    trials: Iterable[ReadyTrial], chart: PatientChart, options: Options, desk: Desk, shared: Judge
) -> list[bytes]:
    """A report a trial. What `shared` has judged already is not judged again, where it makes no difference which trial
    asks.
    """
    if chart.is_about_studies or chart.is_answered:
        return [_for_one(trial, chart, options, desk) for trial in trials]
    writer = Writer(chart, desk.memory)
    return [_report(trial, shared, desk, writer) for trial in trials]


def _for_one(trial: ReadyTrial, chart: PatientChart, options: Options, desk: Desk) -> bytes:
    answers = _answers(chart, trial, options, desk)
    return _report(trial, _judge(chart, options, desk, trial), desk, answers=answers)


def _answers(chart: PatientChart, trial: ReadyTrial, options: Options, desk: Desk) -> Answers | None:
    """What people answered to the trial's Questionnaire; a trial that is not stored has none."""
    if not (trial.is_stored and chart.is_answered):
        return None
    questionnaire = desk.canonical.versioned("Questionnaire", trial.compiled.id, trial.compiled.version)
    heard = chart.answers(questionnaire, options.as_of)
    if heard is None:
        return None
    both = _judge(chart.beside(heard.records), options, desk, trial) if heard.records else None
    return Answers(heard.said, both, heard.places, tuple(heard.warnings))


def _report(
    trial: ReadyTrial, judge: Judge, desk: Desk, writer: Writer | None = None, answers: Answers | None = None
) -> bytes:
    report = evaluate_trial(trial.compiled, judge, desk.engine, answers)
    _count(report, desk.tally)
    writer = writer or Writer(judge.case.chart, desk.memory)
    try:
        return writer.write(report, is_stored=trial.is_stored)
    except orjson.JSONEncodeError:  # as in dumps
        raise TooDeep from None


def _count(report: Report, tally: Counter[tuple[str, ...]]) -> None:
    tally["trial", report.overall.value] += 1
    for each in report.criteria:
        tally["verdict", each.criterion.kind, each.status.value] += 1
        if each.status is Status.UNKNOWN:
            for lacking in {one.type for one in each.verdict.missing} or {"none"}:
                tally["unknown", lacking] += 1


def _summary(trial: ReadyTrial, found: list[Status]) -> dict[str, Any]:
    ids: dict[Status, list[str]] = {Status.FAIL: [], Status.UNKNOWN: [], Status.REVIEW: []}
    for criterion, status in zip(trial.compiled.criteria, found, strict=True):
        if status in ids:
            ids[status].append(criterion.part.id)
    counts = {status: found.count(status) for status in Status}
    return {
        "trial": {
            "id": trial.compiled.id,
            "version": trial.compiled.version,
            "title": trial.compiled.title,
            "status": trial.status,
        },
        "overall": overall_of(counts).value,
        "counts": {status.value: count for status, count in counts.items()},
        **{status.value: found for status, found in ids.items()},
    }


def _rank(trial: ReadyTrial, found: list[Status]) -> tuple[int, int, int, int, str]:
    """Best candidates first: what stands in the way least; among these, what is open least."""
    fails, passes = found.count(Status.FAIL), found.count(Status.PASS)
    open_ = found.count(Status.UNKNOWN) + found.count(Status.REVIEW)
    first = _BEST_FIRST.index(Overall.INELIGIBLE if fails else Overall.UNDETERMINED if open_ else Overall.ELIGIBLE)
    return (first, fails, open_, -passes, trial.compiled.id)
