"""Which steps of the scanner a token can begin: a step that it cannot begin is not tried.

A gate says what the first token of a step must be, and only that: a step without a gate is tried at every token, and a
gate that lets too much through costs time and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.reader.scan_facts import ALLERGY_WORDS
from app.reader.scan_function import LACKING, THERE
from app.reader.scan_state import ROUTES
from app.reader.scan_words import HEADS, JOINERS
from app.reader.tokens import Tok

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.reader.tokens import Token

_BOUNDS = frozenset({"lt", "le", "ge", "gt"})
_WINDOW_WORDS = frozenset({"during", "in", "over", "for", "with", "a", "and", "disease"})
_GRADE_WORDS = frozenset({"grade", "class"})
_NEUTRAL_WORDS = frozenset({".", ":", "-", "etc", "use"}) | HEADS
_TAIL = frozenset({"restrict", "neg", "requiring", "treat-ever"})


def _is_bound(token: Token) -> bool:
    return token.op is not None or not _BOUNDS.isdisjoint(token.cues)


def _has(*cues: str) -> Callable[[Token], bool]:
    wanted = frozenset(cues)
    return lambda token: not wanted.isdisjoint(token.cues)


def _starts_window(token: Token) -> bool:
    timed = token.duration is not None or "within" in token.cues
    return timed or token.stem in _WINDOW_WORDS or _is_bound(token)


def _starts_age(token: Token) -> bool:
    aged = not {"age", "age-group", "between"}.isdisjoint(token.cues)
    return aged or token.number is not None or _is_bound(token)


def _starts_grade(token: Token) -> bool:
    counted = token.kind in {Tok.ROMAN, Tok.NUMBER} or set(token.stem) == {"+"}
    return counted or token.stem in _GRADE_WORDS or _is_bound(token)


GATES: dict[str, Callable[[Token], bool]] = {
    "_adequate": lambda token: token.stem in THERE or token.stem in LACKING,
    "_elapsed_lead": lambda token: token.duration is not None or _is_bound(token),
    "_lasting": lambda token: token.stem in {"for", "diagnosed"} or "lasting" in token.cues,
    "_window": _starts_window,
    "_completed": _has("completed"),
    "_finished": lambda token: "finished" in token.cues or _is_bound(token),
    "_anchor": _has("before"),
    "_moment": lambda token: "at-time" in token.cues or token.stem in {"at", "on"},
    "_taking": lambda token: token.stem == "on",
    "_exception": _has("except"),
    "_unless": _has("unless"),
    "_parenthesis": lambda token: token.stem in {"(", "["},
    "_childbearing": _has("childbearing"),
    "_graded_allergy": lambda token: token.stem in ALLERGY_WORDS,
    "_group_lead": _has("if"),
    "_sex_word": _has("male", "female"),
    "_age": _starts_age,
    "_study": _has("study-verb"),
    "_dosed": _is_bound,
    "_limit_first": _is_bound,
    "_performance": _has("performance-status"),
    "_graded": _starts_grade,
    "_named": lambda token: bool(token.names),
    "_cause": _has("cause"),
    "_defined": _has("defined-by"),
    "_including": _has("including"),
    "_ellipsis": lambda token: token.kind is Tok.WORD and not token.names,
    "_mods": lambda token: not token.names and (bool(token.cues) or token.stem in ROUTES),
    "_joiner": lambda token: token.stem in JOINERS,
    "_tail": lambda token: not _TAIL.isdisjoint(token.cues),
    "_neutral": lambda token: token.stem in _NEUTRAL_WORDS or not {"neutral", "etc", "any-sex"}.isdisjoint(token.cues),
}
