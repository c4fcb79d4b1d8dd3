"""The reader: registration text → criteria. Its front door is here; nothing else of it is imported from outside."""

from app.reader.criteria_lists import is_criteria_list, read_criteria_list
from app.reader.ctgov import read_study
from app.reader.ctgov_xml import ROOT as XML_ROOT
from app.reader.ctgov_xml import read_study_xml
from app.reader.left_over import LeftOver, left_over
from app.reader.read import read_criteria_text, read_registration, reading_of
from app.reader.registration import Kind, ReadCriterion, Reading, Registration, UnusableStudy
from app.reader.research_study import read_research_study
from app.reader.tables import is_table_header, read_row

__all__ = [
    "XML_ROOT",
    "Kind",
    "LeftOver",
    "ReadCriterion",
    "Reading",
    "Registration",
    "UnusableStudy",
    "is_criteria_list",
    "is_table_header",
    "left_over",
    "read_criteria_list",
    "read_criteria_text",
    "read_registration",
    "read_research_study",
    "read_row",
    "read_study",
    "read_study_xml",
    "reading_of",
]
