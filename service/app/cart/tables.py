"""The tables as SQLAlchemy Core; the migrations make them and a test compares the two."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Room for rows that change to stay on their page, which spares every index an entry and the WAL
# several pages (HOT updates).
_ROOM = {"fillfactor": 85}

carts = Table(
    "carts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    # Both null while there are no lines. The decimals are the currency's minor unit.
    Column("currency", Text),
    Column("currency_decimals", SmallInteger),
    # One more with every committed change: the second half of the ETag.
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    # In UTC, for the index: it moves once a day and not with every change.
    Column("expires_on", Date, Computed("(expires_at AT TIME ZONE 'UTC')::date", persisted=True)),
    CheckConstraint("status IN ('active', 'checked_out', 'merged', 'expired')", name="status"),
    CheckConstraint("(currency IS NULL) = (currency_decimals IS NULL)", name="currency"),
    Index(
        "uq_carts_active_customer",
        "customer_id",
        unique=True,
        postgresql_where=text("status = 'active'"),
    ),
    Index("ix_carts_expires_on", "expires_on", postgresql_where=text("status = 'active'")),
    postgresql_with=_ROOM,
)

cart_items = Table(
    "cart_items",
    metadata,
    Column("cart_id", Uuid, ForeignKey("carts.id", ondelete="CASCADE"), primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("name", Text),
    Column("unit_price", Numeric(18, 3), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("quantity >= 1", name="quantity"),
    CheckConstraint("unit_price >= 0", name="unit_price"),
    postgresql_with=_ROOM,
)

orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("cart_id", Uuid, ForeignKey("carts.id"), nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("currency_decimals", SmallInteger, nullable=False),
    Column("item_count", BigInteger, nullable=False),
    Column("total", Numeric(24, 3), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # One order a cart, whatever the code above does.
    UniqueConstraint("cart_id"),
    CheckConstraint("item_count >= 1", name="item_count"),
    CheckConstraint("total >= 0", name="total"),
    Index(
        "ix_orders_customer_id_created_at_id",
        "customer_id",
        text("created_at DESC"),
        text("id DESC"),
    ),
)

order_items = Table(
    "order_items",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("product_id", Text, nullable=False),
    Column("name", Text),
    Column("unit_price", Numeric(18, 3), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("line_total", Numeric(24, 3), nullable=False),
    CheckConstraint("quantity >= 1", name="quantity"),
    CheckConstraint("line_total = unit_price * quantity", name="line_total"),
)

# What a request with an Idempotency-Key was answered, written with its effect.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    # Of the token; empty where requests carry none.
    Column("subject", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("response_status", Integer),
    Column("response_headers", JSON),
    Column("response_body", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

# The revisions whose images may still run on this schema: what makes a rollback safe.
schema_compatibility = Table(
    "schema_compatibility",
    metadata,
    Column("revision", Text, primary_key=True),
)
