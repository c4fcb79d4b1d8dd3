"""Whose history is asked for: the patient's own, or that of the family as well."""

from __future__ import annotations

import re

_OWN = r"(?:personal|own|individual|patient's|medical)"
_KIN = r"(?:an?\s+)?(?:(?:first|1st|second)[- ]degree\s+)?(?:family|familial|relative's)"
_JOINT = r"\s*(?:,\s*)?(?:and\s*/\s*or|or|and|/)\s*"
_EITHER = re.compile(
    rf"^\W*(?P<none>(?:no|without|absence\s+of)\s+)?(?:(?:known|any|a|positive|documented|significant)\s+)*"
    rf"(?:{_OWN}(?:\s+(?:medical\s+)?history)?{_JOINT}{_KIN}|{_KIN}(?:\s+history)?{_JOINT}(?:an?\s+)?{_OWN})"
    r"(?:\s+medical)?\s+(?P<own>history\s+of\s+\S.*)$",
    re.IGNORECASE | re.DOTALL,
)


def own_part(text: str) -> tuple[int, bool] | None:
    """Reads "(no) personal or family history of X": where "history of X" begins, and whether it is denied."""
    match = _EITHER.match(text)
    return None if match is None else (match.start("own"), match["none"] is not None)
