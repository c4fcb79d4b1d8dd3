"""Every name and cue phrase of a catalogue, and the longest run of stemmed words that is one.

British and American spellings, plurals and hyphens need no entries of their own: names and text are folded alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from app.reader.lexing import stem, stems
from app.reader.tokens import Name, NameKind, Tok, Token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.knowledge.catalogue import Catalogue
    from app.knowledge.ucum import UnitTable

_MODIFIERS = (
    "degree",
    "ever",
    "ever-or-current",
    "other",
    "suspected",
    "current",
    "treat-ever",
    "treat-current",
    "neg",
)
_PAST = ("ever", "ever-or-current", "other", "suspected")
# Categories of the lexicon that are looked up in their own place only, and are no cues.
_APART = ("announce", "others", "shared-head", "catch-all")
_OUTCOMES = frozenset({"positive", "negative"})
_ROMANS = frozenset({"i", "ii", "iii", "iv", "v"})
_ENDS = frozenset({"or-more", "or-less"})
_PHRASED = frozenset({Tok.WORD, Tok.NUMBER, Tok.PUNCT})


@dataclass(slots=True)
class _Step:
    """A word of a phrase: what may follow it, and what the phrase means that ends with it."""

    then: dict[str, _Step] = field(default_factory=dict)
    names: tuple[Name, ...] = ()
    cues: tuple[str, ...] = ()


class Phrases:
    """Every name and cue phrase, for longest match. Built once a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.units: UnitTable = catalogue.units
        self.names: dict[tuple[str, ...], tuple[Name, ...]] = {}
        self._first: dict[str, _Step] = {}
        modifiers = {stems(each) for kind in _MODIFIERS for each in catalogue.lexicon.phrases.get(kind, ())}
        past = {stems(each) for kind in _PAST for each in catalogue.lexicon.phrases.get(kind, ())}
        for concept in catalogue.concepts.values():
            own = {stems(name) for name in (concept.name, *concept.names)}
            for key in sorted(own):
                # "active infection" is "infection" with a modifier that must be seen: not taken whole.
                taken_apart = any(key[:cut] in modifiers and key[cut:] in own for cut in range(1, len(key)))
                of_another = any(key[:cut] in past for cut in range(1, len(key)))
                if not taken_apart and not of_another and not (key[-1] in _OUTCOMES and key[:-1] in own):
                    self._name(key, Name(NameKind(concept.kind.value), concept.id))
        for analyte in catalogue.analytes.values():
            for name in (analyte.name, *analyte.names):
                self._name(stems(name), Name(NameKind.ANALYTE, analyte.id))
        for scale in catalogue.scales.values():
            for name in (scale.name, *scale.names):
                self._name(stems(name), Name(NameKind.SCALE, scale.id))
        apart = {kind: frozenset(map(stem, catalogue.lexicon.phrases.get(kind, ()))) for kind in _APART}
        self.announce, self.others, self.shared_heads, self.catch_all = (apart[kind] for kind in _APART)
        for category, phrases in catalogue.lexicon.phrases.items():
            for phrase in phrases if category not in _APART else ():
                self._cue(stems(phrase), category)

    def _name(self, key: tuple[str, ...], name: Name) -> None:
        if key and name not in self.names.get(key, ()):
            self.names[key] = (*self.names.get(key, ()), name)
            self._step(key).names = self.names[key]

    def _cue(self, key: tuple[str, ...], category: str) -> None:
        step = self._step(key)
        if category not in step.cues:
            step.cues = (*step.cues, category)

    def _step(self, key: tuple[str, ...]) -> _Step:
        step = self._first.setdefault(key[0], _Step())
        for word in key[1:]:
            step = step.then.setdefault(word, _Step())
        return step

    def longest(self, tokens: Sequence[Token], at: int) -> tuple[_Step, int] | None:
        """The longest name or cue that begins at `at`, and the index after it."""
        step = self._first.get(tokens[at].stem)
        if step is None:
            return None
        found: tuple[_Step, int] | None = None
        while step is not None:
            at += 1
            if step.names or step.cues:
                found = step, at
            step = step.then.get(tokens[at].stem) if at < len(tokens) else None
        return found


@lru_cache(maxsize=4)
def phrases_of(catalogue: Catalogue) -> Phrases:
    """The phrase table of a catalogue, built once."""
    return Phrases(catalogue)


def join(tokens: Sequence[Token], phrases: Phrases) -> list[Token]:
    """Runs of words that are a name or a cue become one token, the longest run first."""
    result: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        found = phrases.longest(tokens, i) if token.kind in _PHRASED else None
        if (
            found is not None
            and _ENDS & set(found[0].cues)
            and found[1] < len(tokens)
            and (tokens[found[1]].stem == "than" or tokens[found[1]].kind is Tok.NUMBER)
        ):
            # "or more" ends a limit; in "or more than 80", "or above 80" the "or" begins another.
            found = None
        if found is not None:
            step, stop = found
            words = (token.stem,) if stop == i + 1 else tuple(each.stem for each in tokens[i:stop])
            result.append(
                Token(
                    Tok.NAME if step.names else Tok.CUE,
                    " ".join(words),
                    token.start,
                    tokens[stop - 1].end,
                    token.number,
                    token.power,
                    token.op,
                    names=step.names,
                    cues=step.cues,
                    words=words,
                )
            )
            i = stop
            continue
        if token.kind is Tok.WORD and token.stem in _ROMANS:
            token = Token(Tok.ROMAN, token.stem, token.start, token.end)
        result.append(token)
        i += 1
    return result
