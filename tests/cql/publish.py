"""Compiles the CQL of stored trials to ELM, which is kept: `python -m tests.cql.publish [TRIAL...]` (`make elm`).

Node does it, once and beside the service, on the database of the settings; without names, for every trial.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import orjson

from app.emitters.canonical import fhir_id
from app.emitters.fhir import FhirVersion
from app.main import at_hand
from app.services.compiled import cql_of
from app.settings import load_settings
from tests.cql import engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.main import AtHand
    from app.services.compiled import Cql

RULES = "EligoRules"


async def publish(hand: AtHand, trials: Sequence[str]) -> list[str]:
    """Compile and keep the logic of these trials and the rules that they share; what was wrong, library by library."""
    wrong: list[str] = []
    for trial in trials:
        package = orjson.loads(await hand.studies.package(fhir_id(trial), FhirVersion.R4))
        libraries = [each["resource"] for each in package["entry"] if each["resource"]["resourceType"] == "Library"]
        sources = [one for each in libraries for one in cql_of(each)]
        rules = [each for each in sources if each.name == RULES]
        messages = [{"library": each.name, "source": each.text, "elm": True} for each in rules]
        messages += [{"include": each.name, "source": each.text} for each in rules]
        own = [each for each in sources if each.name != RULES]
        messages += [{"library": each.name, "source": each.text, "elm": True} for each in own]
        answers = {each["library"]: each for each in engine.run(messages) if "library" in each}
        wrong += [f"{each.name}: {one}" for each in sources for one in answers[each.name]["errors"]]
        await _keep(hand, [each for each in sources if not answers[each.name]["errors"]], answers)
    return wrong


async def _keep(hand: AtHand, sources: list[Cql], answers: dict[str, dict[str, object]]) -> None:
    for each in sources:
        elm = answers[each.name]["elm"]
        assert isinstance(elm, dict)
        await hand.compiled.keep(each.text, elm)


async def _all(names: Sequence[str]) -> list[str]:
    async with at_hand(load_settings()) as hand:
        page = 1
        found: list[str] = list(names)
        while not names:
            listed = (await hand.trials.list(q="", condition="", status="", page=page)).trials
            found += [each.id for each in listed]
            if not listed:
                break
            page += 1
        return await publish(hand, found)


if __name__ == "__main__":
    if engine.unavailable():
        sys.exit(engine.unavailable())
    sys.exit("\n".join(asyncio.run(_all(sys.argv[1:]))) or 0)
