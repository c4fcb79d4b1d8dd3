"""What an amendment changed: two versions of a trial side by side. Plain functions on stored documents (JSON text)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from app.criteria.codec import decode
from app.criteria.nodes import AllOf, AnyOf, Preference
from app.emitters.prose import says
from app.services.reading import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.criteria.nodes import Criterion
    from app.knowledge.catalogue import Catalogue

Json = dict[str, Any]
_FIELDS = ("title", "status", "phase", "conditions")
_SAME_SIDE, _OTHER_SIDE = 0.5, 0.75
"""From which share of common words on two texts are one criterion, reworded."""
_MAX_PAIRS = 250_000
_MAX_WORDS = 2_000
_CHANGES = ("added", "dropped", "reworded", "moved", "reread")


class Pair(NamedTuple):
    """A criterion before and after; None where there is none. `places` are theirs in the two lists."""

    before: Json | None
    after: Json | None
    places: tuple[int, int]


def diff(before: str, after: str, versions: tuple[int, int], catalogue: Catalogue) -> bytes:
    """What changed from one document to another, as JSON: fields, and criteria added, dropped, reworded, moved, reread.

    `affectsVerdicts` says whether a patient can be judged differently by it; `parts` are the parts of the expression
    that are other ones, in plain words.
    """
    old, new = orjson.loads(before), orjson.loads(after)
    pairs = pair(old["criteria"], new["criteria"])
    moved = _moved(pairs)
    changed = [found for each in pairs if (found := _change(each, catalogue, is_moved=each.places in moved))]
    counts = Counter(change for each in changed for change in each["changes"])
    return dumps(
        {
            "id": new["id"],
            "from": versions[0],
            "to": versions[1],
            "fields": [
                {"field": each, "before": old[each], "after": new[each]} for each in _FIELDS if old[each] != new[each]
            ],
            "counts": {**{each: counts[each] for each in _CHANGES}, "unchanged": len(pairs) - len(changed)},
            "affectsVerdicts": any(each["affectsVerdicts"] for each in changed),
            "criteria": changed,
        }
    )


def pair(before: Sequence[Json], after: Sequence[Json]) -> list[Pair]:
    """Which criterion of `after` is which of `before`: the same words, then the same field, then nearly the same words.

    In the order of `after`; what was dropped stands after what it followed.
    """
    found: dict[int, int] = {}
    _match_equal(before, after, found, lambda each: (each["kind"], _plain(each["text"])))
    _match_equal(before, after, found, lambda each: _plain(each["text"]))
    # Criteria made of the registration's fields have no place in the text, and one name each.
    _match_equal(before, after, found, lambda each: each["id"] if tuple(each["span"]) == (0, 0) else None)
    _match_alike(before, after, found)
    by_after = {new: old for old, new in found.items()}
    pairs = [
        Pair(before[by_after[j]] if j in by_after else None, each, (by_after.get(j, -1), j))
        for j, each in enumerate(after)
    ]
    for i, each in enumerate(before):
        if i not in found:
            place = next((k + 1 for k in range(len(pairs) - 1, -1, -1) if -1 < pairs[k].places[0] < i), 0)
            pairs.insert(place, Pair(each, None, (i, -1)))
    return pairs


def _match_equal(before: Sequence[Json], after: Sequence[Json], found: dict[int, int], key: Any) -> None:
    """Pair what has the same key, in order; a key of None is nobody's."""
    taken = set(found.values())
    waiting: defaultdict[Any, deque[int]] = defaultdict(deque)
    for j, each in enumerate(after):
        if j not in taken and key(each) is not None:
            waiting[key(each)].append(j)
    for i, each in enumerate(before):
        if i not in found and key(each) is not None and waiting[key(each)]:
            found[i] = waiting[key(each)].popleft()


def _match_alike(before: Sequence[Json], after: Sequence[Json], found: dict[int, int]) -> None:
    """Pair what has most words in common, the best first."""
    taken = set(found.values())
    old = [(i, each["kind"], _words(each["text"])) for i, each in enumerate(before) if i not in found]
    new = [(j, each["kind"], _words(each["text"])) for j, each in enumerate(after) if j not in taken]
    if len(old) * len(new) > _MAX_PAIRS:
        return
    scored = [
        (-score, abs(i - j), i, j)
        for i, side, words in old
        for j, other, others in new
        if (score := _alike(words, others)) >= (_SAME_SIDE if side == other else _OTHER_SIDE)
    ]
    for _, _, i, j in sorted(scored):
        if i not in found and j not in taken:
            found[i] = j
            taken.add(j)


def _alike(one: Counter[str], other: Counter[str]) -> float:
    """The share of words that two texts have in common, from 0 to 1."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


def _moved(pairs: Sequence[Pair]) -> set[tuple[int, int]]:
    """The pairs that are out of order: all but the longest run that has kept its order."""
    both = [each.places for each in pairs if each.before is not None and each.after is not None]
    both.sort(key=lambda places: places[1])
    ends: list[int] = []
    last: list[int] = []
    previous: list[int] = []
    for k, (i, _) in enumerate(both):
        at = bisect_left(ends, i)
        previous.append(last[at - 1] if at else -1)
        if at == len(ends):
            ends.append(i)
            last.append(k)
        else:
            ends[at], last[at] = i, k
    kept: set[tuple[int, int]] = set()
    k = last[-1] if last else -1
    while k >= 0:
        kept.add(both[k])
        k = previous[k]
    return set(both) - kept


def _change(each: Pair, catalogue: Catalogue, *, is_moved: bool) -> Json | None:
    """What is told of a pair; None where nothing changed."""
    old, new = each.before, each.after
    if old is None or new is None:
        only = decode((old or new or {})["expression"])
        changes = ["dropped"] if new is None else ["added"]
        parts = [{"before": says(only, catalogue) if old else None, "after": says(only, catalogue) if new else None}]
        return _told(each, changes, parts, affects=not isinstance(only, Preference))
    was, is_now = decode(old["expression"]), decode(new["expression"])
    is_reworded = _plain(old["text"]) != _plain(new["text"])
    changes = ["reworded"] if is_reworded else []
    if is_moved or old["kind"] != new["kind"]:
        changes.append("moved")
    if was != is_now and not is_reworded:
        changes.append("reread")
    if not changes:
        return None
    affects = was != is_now or old["kind"] != new["kind"]
    return _told(each, changes, _parts(was, is_now, catalogue), affects=affects)


def _told(each: Pair, changes: list[str], parts: list[Json], *, affects: bool) -> Json:
    return {
        "changes": changes,
        "affectsVerdicts": affects,
        "before": _shown(each.before),
        "after": _shown(each.after),
        "words": _word_changes(each.before["text"], each.after["text"]) if each.before and each.after else [],
        "parts": parts,
    }


def _shown(criterion: Json | None) -> Json | None:
    if criterion is None:
        return None
    told = {key: criterion[key] for key in ("id", "kind", "number", "text", "reading", "says")}
    return {**told, "reviewed": bool(criterion.get("reviewed"))}


def _word_changes(before: str, after: str) -> list[Json]:
    """Runs of words that are the `same`, `dropped` or `added`, in reading order; [] where all are the same."""
    old, new = before.split(), after.split()
    if old == new:
        return []
    if max(len(old), len(new)) > _MAX_WORDS:
        return [{"op": "dropped", "text": " ".join(old)}, {"op": "added", "text": " ".join(new)}]
    runs: list[Json] = []
    for op, i, k, j, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if op == "equal":
            runs.append({"op": "same", "text": " ".join(old[i:k])})
            continue
        if k > i:
            runs.append({"op": "dropped", "text": " ".join(old[i:k])})
        if m > j:
            runs.append({"op": "added", "text": " ".join(new[j:m])})
    return runs


def _parts(before: Criterion, after: Criterion, catalogue: Catalogue) -> list[Json]:
    """The operands that are other ones now: those of one subject side by side, the others alone."""
    old, new = _operands(before, after)
    gone = [each for each in old if each not in new]
    come = [each for each in new if each not in old]
    found: list[Json] = []
    for each in gone:
        twin = next((one for one in come if _subject(one) == _subject(each)), None)
        if twin is not None:
            come.remove(twin)
        found.append({"before": says(each, catalogue), "after": None if twin is None else says(twin, catalogue)})
    return [*found, *({"before": None, "after": says(each, catalogue)} for each in come)]


def _operands(before: Criterion, after: Criterion) -> tuple[Sequence[Criterion], Sequence[Criterion]]:
    """The parts of two compounds of one kind (a single criterion is one of either); else the two as they are."""
    for cls in (AllOf, AnyOf):
        if isinstance(before, cls) or isinstance(after, cls):
            other = AnyOf if cls is AllOf else AllOf
            if isinstance(before, other) or isinstance(after, other):
                break
            return tuple(_of(before, cls)), tuple(_of(after, cls))
    return (before,), (after,)


def _of(node: Criterion, cls: type[AllOf | AnyOf]) -> Iterable[Criterion]:
    return node.parts if isinstance(node, cls) else (node,)


def _subject(node: Criterion) -> tuple[type, str]:
    """What a criterion is about: its kind, and the concept, analyte or scale that it names."""
    names = (getattr(node, each, None) for each in ("concept", "analyte", "scale"))
    return type(node), next((name for name in names if isinstance(name, str)), "")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _words(text: str) -> Counter[str]:
    return Counter(text.casefold().split())
