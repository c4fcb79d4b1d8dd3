"""The root of Eligo's own errors: what is refused on purpose, with a sentence for the person who has to act on it."""

from __future__ import annotations


class EligoError(Exception):
    """Something that Eligo refuses or cannot do. The message says what, where, and what to do next."""


class VersionMoved(EligoError):
    """A version was to follow one that is not the newest any more; `newest` is (0: there is none)."""

    def __init__(self, trial_id: str, newest: int) -> None:
        super().__init__(
            f"{trial_id} has been changed in between: its version is now {newest}. Get it, and send the change again."
        )
        self.trial_id = trial_id
        self.newest = newest


class DatabaseUnavailable(EligoError):
    """The database does not answer, or not in time; `reason` is the kind of error, without the server's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The database cannot be used now ({reason}). Try again; GET /health/ready tells when it can.")
        self.reason = reason
