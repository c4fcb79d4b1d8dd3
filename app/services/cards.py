"""From candidates to the answer of a CDS Hooks call, as bytes. Pure: it runs in a worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from app.emitters.cards import CardMaker
    from app.services.core import Candidates


def write_cards(found: Candidates, maker: CardMaker, named: str, *, is_about_orders: bool) -> bytes:
    """`{"cards": [...]}`. `named`, where it is not empty, is another Patient than the record's: the call said so."""
    notes = []
    if named:
        notes.append(
            f"The call names {named}, but the record sent along is that of {found.patient}: check that it is the "
            "right patient."
        )
    reports = map(orjson.loads, found.reports)
    cards = [maker.trial(each, breaks=found.breaks.get(each["trial"]["id"], ()), notes=notes) for each in reports]
    if found.further:
        cards.append(maker.more(found.further, is_broken=is_about_orders))
    return orjson.dumps({"cards": cards})
