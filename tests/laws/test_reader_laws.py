"""Laws of the reader: it never fails, never reorders, never loses a word, and reads the same text the same way."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from app.knowledge.load import load_catalogue
from app.reader import Kind, read_criteria_text

_WORDS = [
    "patients",
    "with",
    "active",
    "hepatitis B",
    "HIV",
    "and",
    "or",
    "not",
    "≥",
    "1.5",
    "×",
    "ULN",
    "ALT",
    "10^9/L",
    "(",
    ")",
    ";",
    ":",
    ",",
    ".",
    "within",
    "4 weeks",
    "before enrollment",
    "except",
    "cured",
    "basal cell carcinoma",
    "history of",
    "other",
    "malignancies",
    "age",
    "18",
    "years",
    "unless",
    "the investigator",
    "such as",
    "at least",
    "after the last",
    "chemotherapy",
    "ECOG",
    "0-1",
    "\n",
    "\n- ",
    "\n1. ",
    "\n2) ",
    "\n\n",
    "-",
    "2)",
    "Exclusion Criteria:",
    "Inclusion Criteria:",
    "note:",
    "are allowed",
    "QTc",
    "in men",
    "++",
    "/",
    "if",
    "requiring",
    "that",
    "who",
]
_texts = st.lists(st.sampled_from(_WORDS), max_size=40).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(_texts | st.text(max_size=200))
def test_any_text_is_read_without_failing_and_spans_keep_their_order(text: str) -> None:
    criteria = read_criteria_text(text, load_catalogue())

    kinds = [criterion.kind for criterion in criteria]
    assert kinds == sorted(kinds, key=[Kind.INCLUSION, Kind.EXCLUSION].index)
    for kind in Kind:
        of_kind = [criterion.span for criterion in criteria if criterion.kind is kind and criterion.span != (0, 0)]
        assert of_kind == sorted(of_kind)
    spans = sorted(criterion.span for criterion in criteria if criterion.span != (0, 0))
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    assert all(criterion.text == text[slice(*criterion.span)] for criterion in criteria if criterion.span != (0, 0))
    assert criteria == read_criteria_text(text, load_catalogue())
