"""How Alembic runs here: on the connection that `app.store.migrate` hands over, within its transaction."""

from __future__ import annotations

from alembic import context

from app.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
