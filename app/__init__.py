"""Eligo: what a patient's record shows about every criterion of a clinical trial, with evidence."""

__version__ = "0.1.0"
