"""Names that share a word: "cardiac, renal or hepatic disease", "hepatitis B or C", "basal or squamous cell cancer".

Each part of such a list becomes the whole name that it stands for, where that is a name of the catalogue; a part that
is a name by itself is left as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.reader.tokens import Name, NameKind, Tok, Token, names_of

if TYPE_CHECKING:
    from app.reader.phrases import Phrases

JOINTS = frozenset({",", "or", "and", "nor", "/", "and/or", "&"})
_FACTS = (
    NameKind.CONDITION,
    NameKind.TREATMENT,
    NameKind.ALLERGEN,
    NameKind.VACCINE,
    NameKind.ANALYTE,
    NameKind.SCALE,
)
_LONGEST = 3
_LEADS = frozenset({"neutral", "degree", "ever", "current", "other", "suspected", "presence"})


def share_words(tokens: list[Token], phrases: Phrases) -> list[Token]:
    """The tokens with every part of a list that shares a word made the name it stands for."""
    if not any(token.stem in JOINTS for token in tokens):
        return tokens
    return _tails(_heads(tokens, phrases), phrases)


def is_fact(token: Token) -> bool:
    """It is the name of something that a record can hold."""
    return bool(names_of(token, *_FACTS))


def _heads(tokens: list[Token], phrases: Phrases) -> list[Token]:
    """Reads "cardiac or renal disease": what ends the last name ends those before it."""
    result = list(tokens)
    at = len(result) - 1
    while at > 1:
        head = result[at]
        words = head.words or (head.stem,)
        if not is_fact(head) or len(words) < 2:
            at -= 1
            continue
        joint = at - 1
        while joint > 0 and _LEADS & set(result[joint].cues) and not result[joint].names:
            joint -= 1
        while joint > 0 and result[joint].stem in JOINTS:
            stop = joint
            while stop > 0 and result[stop].stem in JOINTS:
                stop -= 1
            made = _completed(result, stop, words, phrases)
            if made is None:
                break
            first, name = made
            result[first : stop + 1] = [name]
            at -= stop - first
            result[at] = _inheriting(result[at])
            joint = first - 1
        at -= 1
    return result


def _completed(tokens: list[Token], last: int, words: tuple[str, ...], phrases: Phrases) -> tuple[int, Token] | None:
    """The name that the words up to `last` make with the end of `words`, and where they begin."""
    for length in range(1, _LONGEST + 1):
        first = last - length + 1
        if first < 0:
            return None
        part = tokens[first : last + 1]
        if any(
            is_fact(token) or token.kind not in {Tok.WORD, Tok.CUE, Tok.NAME, Tok.ROMAN, Tok.NUMBER} for token in part
        ):
            return None
        own = tuple(word for token in part for word in (token.words or (token.stem,)))
        for cut in range(1, len(words)):
            if names := phrases.names.get((*own, *words[cut:])):
                return first, _named(part, (*own, *words[cut:]), names)
    return None


def _tails(tokens: list[Token], phrases: Phrases) -> list[Token]:
    """Reads "hepatitis B or C": what begins the first name begins those after it."""
    result: list[Token] = []
    lead: tuple[str, ...] = ()
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if is_fact(token):
            lead = token.words or (token.stem,)
        elif lead and result and result[-1].stem in JOINTS and (found := _continued(tokens, i, lead, phrases)):
            result.append(_inheriting(found[0]))
            i = found[1]
            continue
        elif token.stem not in JOINTS:
            lead = ()
        result.append(token)
        i += 1
    return result


def _continued(tokens: list[Token], at: int, lead: tuple[str, ...], phrases: Phrases) -> tuple[Token, int] | None:
    for length in (2, 1):
        part = tokens[at : at + length]
        if len(part) < length or is_fact(part[0]) or any(token.stem in JOINTS for token in part):
            continue
        if all("neutral" in token.cues for token in part):
            continue  # "pregnant women, women with A": the second "women" are not the first
        if any(token.kind not in {Tok.WORD, Tok.ROMAN, Tok.NUMBER, Tok.CUE, Tok.NAME} for token in part):
            continue
        own = tuple(word for token in part for word in (token.words or (token.stem,)))
        for cut in range(len(lead) - 1, 0, -1):
            if names := phrases.names.get((*lead[:cut], *own)):
                return _named(part, (*lead[:cut], *own), names), at + length
    return None


def _inheriting(token: Token) -> Token:
    """A name that shares the words of another shares the degree before them too ("active hepatitis B or C")."""
    return token._replace(cues=(*token.cues, "inherits")) if "inherits" not in token.cues else token


def _named(part: list[Token], words: tuple[str, ...], names: tuple[Name, ...]) -> Token:
    return part[0]._replace(
        kind=Tok.NAME,
        stem=" ".join(words),
        end=part[-1].end,
        names=names,
        cues=(),
        words=words,
    )
