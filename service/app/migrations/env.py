"""Alembic's environment: it runs on the connection that the command hands over."""

from alembic import context

from app.cart.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
