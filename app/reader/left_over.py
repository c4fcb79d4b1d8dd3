"""What was not understood of a registration, and at which words: what the reader has to learn next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.criteria.codec import places
from app.criteria.nodes import NotUnderstood
from app.reader.context import Context, blank_abbreviations
from app.reader.normalise import normalise
from app.reader.phrases import phrases_of
from app.reader.registration import Kind
from app.reader.scan_state import UnreadError
from app.reader.scanner import Scanner
from app.reader.tokens import Tok

if TYPE_CHECKING:
    from app.knowledge.catalogue import Catalogue
    from app.reader.registration import Registration
    from app.reader.tokens import Token

_JOINERS = frozenset({"and", "or", "nor"})  # known to the grammar by themselves


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A clause that was not understood.

    `stopped_at` is the word that reading could not get past, "" where every word is known and they make no fact.
    `unknown` are runs of words that neither the catalogue nor the grammar knows, in lower case.
    """

    criterion: str
    text: str
    stopped_at: str
    unknown: tuple[str, ...]


def left_over(registration: Registration, catalogue: Catalogue) -> tuple[LeftOver, ...]:
    """Every clause of a registration that was not understood, in its order."""
    plain = normalise(registration.text)
    context = Context(source=plain, text=blank_abbreviations(plain), catalogue=catalogue, phrases=phrases_of(catalogue))
    found: dict[tuple[int, int], LeftOver] = {}
    for criterion in registration.criteria:
        for _, node in places(criterion.expression):
            quote = node.quote if isinstance(node, NotUnderstood) else None
            if quote is None or not 0 <= quote.start < quote.end <= len(plain):
                continue
            span = (quote.start, quote.end)
            if span not in found:
                found[span] = LeftOver(
                    criterion.id,
                    " ".join(quote.text.split()),
                    _stopped_at(context, span, excludes=criterion.kind is Kind.EXCLUSION),
                    _unknown(context.tokens(*span), plain),
                )
    return tuple(found.values())


def _stopped_at(context: Context, span: tuple[int, int], *, excludes: bool) -> str:
    try:
        Scanner(context, *span, excludes=excludes).scan()
    except UnreadError as left:
        return left.word if left.word and " " not in left.word else ""
    return ""


def _unknown(tokens: list[Token], text: str) -> tuple[str, ...]:
    """Runs of words that mean nothing to the reader."""
    runs: list[str] = []
    end = None
    for token in tokens:
        if (
            token.kind is not Tok.WORD
            or token.names
            or token.cues
            or not token.stem[:1].isalpha()
            or token.stem in _JOINERS
        ):
            end = None
            continue
        word = text[token.start : token.end].lower()
        if end is not None and not text[end : token.start].strip():
            runs[-1] += f" {word}"
        else:
            runs.append(word)
        end = token.end
    return tuple(runs)
