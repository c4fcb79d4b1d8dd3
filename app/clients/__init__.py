"""Calls that Eligo makes to others: an EHR's FHIR server, and who vouches for a caller's keys."""
