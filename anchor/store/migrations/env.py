"""Runs the migrations on the connection that ``anchor.store.database`` hands over."""

from alembic import context

from anchor.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
