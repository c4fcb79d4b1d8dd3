"""The reader: registration text → criteria. Its front door is here; nothing else of it is imported from outside."""

from app.reader.read import read_criteria_text, read_registration, read_study, reading_of
from app.reader.registration import Kind, ReadCriterion, Reading, Registration
from app.reader.research_study import read_research_study
from app.reader.study_sent import UnusableStudy

__all__ = [
    "Kind",
    "ReadCriterion",
    "Reading",
    "Registration",
    "UnusableStudy",
    "read_criteria_text",
    "read_registration",
    "read_research_study",
    "read_study",
    "reading_of",
]
