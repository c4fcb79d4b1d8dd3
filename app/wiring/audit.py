"""The trail of audit events, as the settings have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.clients.audit import Endpoint, Lines, Trail

if TYPE_CHECKING:
    from app.clients.audit import Sink
    from app.settings import Settings


def trail_of(settings: Settings) -> Trail | None:
    """The trail; None where none is wanted."""
    if settings.audit_sink == "off":
        return None

    def open_sink() -> Sink:
        if settings.audit_sink == "http":
            return Endpoint(settings.audit_url, settings.audit_token.get_secret_value())
        return Lines(settings.audit_file if settings.audit_sink == "file" else "")

    return Trail(open_sink, settings.audit_queue)
