"""The pages under docs/ say what is true of the code, as far as a test can tell."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from app.knowledge.load import load_catalogue
from app.reader import Reading, read_criteria_text

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = _LINK.findall(page.read_text("utf-8"))

    assert [each for each in links if not (page.parent / each).exists()] == []


def test_there_are_pages():
    assert {page.name for page in PAGES} >= {"architecture.md", "operations.md", "reading.md", "verdicts.md"}


@pytest.mark.parametrize("picture", sorted((DOCS / "pictures").glob("*.svg")), ids=lambda picture: picture.name)
def test_a_picture_is_well_formed(picture):
    assert ET.parse(picture).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    "text",
    [
        "Aged 18 to 75 years",
        "hemoglobin at least 90 g/L",
        "ALT at most 2 × ULN",
        "ALT at most 2 × ULN (for patients with liver metastases at most 5 × ULN)",
        "PT > ULN + 4 s",
        "HBsAg positive",
        "QTc ≥ 470 ms in women and ≥ 450 ms in men",
        "ECOG 0 or 1",
        "NYHA class II or higher",
        "radiotherapy on the liver or lung",
        "Women of childbearing potential must have a negative serum pregnancy test",
        "Participation in another interventional study in the last 4 weeks",
    ],
)
def test_an_example_on_the_page_about_reading_is_read(text):
    page = (DOCS / "reading.md").read_text("utf-8") + (DOCS / "pictures" / "reading.svg").read_text("utf-8")
    (criterion,) = read_criteria_text(f"Exclusion Criteria:\n\n* {text}", load_catalogue())

    assert text in page.replace("&gt;", ">")
    assert criterion.reading is Reading.COMPUTABLE
