"""The reader: registration text → criteria. Its front door is here; nothing else of it is imported from outside."""

from app.reader.read import read_criteria_text, read_registration, read_study, reading_of
from app.reader.registration import Kind, ReadCriterion, Reading, Registration

__all__ = [
    "Kind",
    "ReadCriterion",
    "Reading",
    "Registration",
    "read_criteria_text",
    "read_registration",
    "read_study",
    "reading_of",
]
