"""Alembic's entry point: runs the migrations on the connection passed to it by the store."""

from alembic import context

from anchor.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
