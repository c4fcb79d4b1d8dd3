"""A row of a table of registrations (CSV: number, title, conditions, criteria) → a registration.

The layout is the one of public collections of eligibility texts; the header says which column is which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.record import Identifier, IdentifierUse, RegistrationRecord
from app.reader.normalise import normalise
from app.reader.read import read_items
from app.reader.registration import Registration
from app.reader.split import split_items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.knowledge.catalogue import Catalogue

NUMBER, CRITERIA = "nct_id", "eligibility_criteria"


def is_table_header(columns: tuple[str, ...]) -> bool:
    """Whether columns of these names hold registrations; a `#` before the first is part of the layout."""
    return {NUMBER, CRITERIA} <= {each.strip().lstrip("#") for each in columns}


def read_row(row: Mapping[str, str], catalogue: Catalogue) -> Registration:
    """One trial of a table. Spans point into the text of its criteria."""
    cells = {key.strip().lstrip("#"): value for key, value in row.items()}
    number, title, text = (cells.get(key) or "" for key in (NUMBER, "title", CRITERIA))
    record = RegistrationRecord(
        identifiers=(Identifier(number.strip(), IdentifierUse.REGISTRY),) if number.strip() else (),
        brief_title=title.strip(),
        conditions=tuple(filter(None, (each.strip() for each in (cells.get("conditions") or "").split("|")))),
    )
    items = split_items(normalise(text), 0, len(text), None)
    criteria, notes = read_items(text, items, record.population, (*record.conditions, title), catalogue)
    return Registration(number.strip() or None, record, text, criteria, notes)
