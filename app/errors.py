"""The root of Eligo's own errors: what is refused on purpose, with a sentence for the person who has to act on it."""

from __future__ import annotations


class EligoError(Exception):
    """Something that Eligo refuses or cannot do. The message says what, where, and what to do next."""
