"""Words of time joined before a name: "active or prior", "current and past", "active, prior or suspected"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.reader.sharing import JOINTS
from app.reader.tokens import Tok

if TYPE_CHECKING:
    from app.reader.tokens import Token

_PAST = frozenset({"ever", "ever-or-current", "treat-ever"})
_NOW = frozenset({"current", "treat-current", "presence"})
_NOW_DEGREES = frozenset({"active"})
_UNCLEAR = frozenset({"recent", "new"})


def join_timings(tokens: list[Token]) -> list[Token]:
    """The tokens with every run of joined words of time made the one that they come to: any time, where one is past.

    A run that a past and a present cannot sum up ("recent or current A") becomes a word that nothing reads.
    """
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        stop, run = _run(tokens, at)
        if len(run) < 2:
            result.append(tokens[at])
            at += 1
            continue
        result.extend(_summed(tokens[at:stop], run))
        at = stop
    return result


def _run(tokens: list[Token], at: int) -> tuple[int, list[Token]]:
    """The words of time from `at` on that joints link, and the index after the last of them."""
    run: list[Token] = []
    stop = at
    while at < len(tokens) and _kind(tokens[at]):
        run.append(tokens[at])
        stop = at = at + 1
        while at < len(tokens) and tokens[at].stem in JOINTS and not tokens[at].names:
            at += 1
        if at == stop:
            break
    return stop, run


def _kind(token: Token) -> str:
    """Says "past", "now", "suspected", "unclear", or "" where the token says nothing of time alone."""
    cues = set(token.cues)
    if token.names:
        return ""
    if token.stem in _UNCLEAR:
        return "unclear"
    if cues & _PAST:
        return "past"
    if cues & _NOW or (token.stem in _NOW_DEGREES and "degree" in cues):
        return "now"
    return "suspected" if "suspected" in cues else ""


def _summed(part: list[Token], run: list[Token]) -> list[Token]:
    kinds = [_kind(token) for token in run]
    first = run[0]
    if "unclear" in kinds:
        return [first._replace(kind=Tok.WORD, stem=" or ".join(token.stem for token in run), cues=(), words=())]
    if "past" not in kinds:
        return part
    treated = next((token for token in run if {"treat-ever", "treat-current"} & set(token.cues)), None)
    if treated is not None:
        made = [treated._replace(cues=("treat-ever",), start=first.start)]
    else:
        past = next(token for token, kind in zip(run, kinds, strict=True) if kind == "past")
        made = [past._replace(cues=("ever-or-current",), start=first.start)]
    return [*made, *(token for token, kind in zip(run, kinds, strict=True) if kind == "suspected")]
