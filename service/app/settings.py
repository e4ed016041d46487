"""What the environment may say, in one place; nothing is read until `load` is called."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.cart import rules
from app.errors import InvalidSettings
from app.urls import parse_url


class Settings(BaseSettings):
    """The service's settings; the variable is the field's name in capitals."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: SecretStr = Field(description="PostgreSQL, `postgresql://user:password@host/db`")
    db_credentials_dir: Path | None = Field(
        default=None,
        description="Folder with a file DATABASE_URL, read at every new connection; it wins",
    )
    db_owner_role: str = Field(
        default="carthub_owner", description="Role that owns the tables; used by `migrate` only"
    )
    request_deadline_seconds: float = Field(
        default=10.0, gt=0, description="When a request is answered 504, whatever it waits for"
    )
    db_pool_size: int = Field(
        default=16, ge=1, description="How many connections are kept, and so requests are at work"
    )
    db_pool_timeout_seconds: float = Field(
        default=5.0, gt=0, description="How long a request waits for a connection"
    )
    db_queue_size: int = Field(
        default=1000, ge=1, description="Requests that may wait for a connection"
    )
    db_connect_timeout_seconds: int = Field(
        default=3, ge=1, description="How long opening a connection may take"
    )
    db_statement_timeout_seconds: float = Field(
        default=5.0, gt=0, description="When PostgreSQL ends a statement, waits for locks included"
    )
    db_prepared_statements: bool = Field(
        default=True,
        description="Plan each statement once a connection; off behind a transaction pooler",
    )
    health_timeout_seconds: float = Field(
        default=1.0, gt=0, description="How long /health waits for the database"
    )
    environment: Literal["development", "production"] = Field(
        default="development", description="In development /metrics is on the API port too"
    )
    auth_issuer: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Issuer of the tokens that /api demands, as their `iss` has it",
    )
    auth_audience: str | None = Field(
        default=None, description="What `aud` of a token must contain; set with AUTH_ISSUER"
    )
    auth_jwks_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="The issuer's keys; by default where its OpenID description says",
    )
    auth_service_scope: str = Field(
        default="carthub.service",
        pattern=r"^\S+$",
        description="Scope of a token that may act for every customer",
    )
    rate_limit: str | None = Field(
        default=None,
        pattern=r"^[1-9][0-9]{0,6}/(second|minute|hour)$",
        description="Requests to /api of one caller, such as 100/second; beyond it 429",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="Least severe event that is logged"
    )
    host: str = Field(default="0.0.0.0", description="Address the API listens on")  # noqa: S104 - a pod's only interface
    port: int = Field(default=8000, ge=0, le=65535, description="Port of the API")
    http_max_connections: int = Field(
        default=1000, ge=1, description="Open connections; silent ones make room for new ones"
    )
    http_max_header_bytes: int = Field(
        default=32_768, ge=1024, description="Size of a request's line and headers, else 431"
    )
    http_max_body_bytes: int = Field(
        default=524_288, ge=1024, description="Size of a request's body, else 413"
    )
    http_max_held_body_bytes: int = Field(
        default=33_554_432,
        ge=1024,
        description="Size of all bodies over 16 KiB that are not answered yet, else 503",
    )
    http_header_timeout_seconds: float = Field(
        default=5.0, gt=0, description="How long a request's headers may take to come, else 408"
    )
    http_body_timeout_seconds: float = Field(
        default=5.0, gt=0, description="How long a request's body may take to come, else 408"
    )
    http_send_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        description="How long a client may take nothing of an answer that waits for it",
    )
    http_keep_alive_seconds: int = Field(
        default=75, ge=1, description="How long a connection may rest; longer than the balancer's"
    )
    metrics_port: int = Field(default=9090, ge=0, le=65535, description="Port of /metrics")
    shutdown_timeout_seconds: int = Field(
        default=20, ge=1, description="How long requests may finish after SIGTERM"
    )
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        description="How long after SIGTERM the API still accepts, while readiness says no",
    )
    termination_log: Path = Field(
        default=Path("/dev/termination-log"), description="Where `migrate` says why it failed"
    )
    idempotency_wait_seconds: float = Field(
        default=2.0,
        # PostgreSQL's least; its 0 is no bound.
        ge=0.001,
        description="How long a request waits for the first one with its Idempotency-Key",
    )
    housekeeping_seconds: float = Field(
        default=60.0,
        ge=0,
        description="How often carts expire and old idempotency keys are forgotten; 0: never",
    )
    cart_currency: str | None = Field(
        default=None, pattern=r"^[A-Z]{3}$", description="Currency of an add that names none"
    )
    cart_ttl_days: int = Field(default=30, ge=1, description="Life of a cart after its last change")
    cart_max_quantity: int = Field(default=999, ge=1, le=1_000_000, description="Pieces in a line")
    cart_max_lines: int = Field(default=500, ge=1, le=10_000, description="Lines in a cart")

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @field_validator("cart_currency")
    @classmethod
    def _is_supported(cls, code: str | None) -> str | None:
        return code and rules.checked_currency(code)

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr) -> SecretStr:
        try:
            parse_url(url.get_secret_value())
        except InvalidSettings as error:
            raise ValueError(str(error).removeprefix("DATABASE_URL ")) from None
        return url

    @model_validator(mode="after")
    def _knows_whom_tokens_are_for(self) -> Self:
        if (self.auth_issuer is None) != (self.auth_audience is None):
            set_, unset = "AUTH_ISSUER", "AUTH_AUDIENCE"
            if self.auth_issuer is None:
                set_, unset = unset, set_
            raise ValueError(f"{set_} is set without {unset}, must be both or neither")
        return self

    @model_validator(mode="after")
    def _ends_within_the_deadline(self) -> Self:
        for name in ("db_connect_timeout_seconds", "db_statement_timeout_seconds"):
            if (seconds := getattr(self, name)) > self.request_deadline_seconds:
                raise ValueError(
                    f"{name.upper()} is {seconds:g}, must be at most REQUEST_DEADLINE_SECONDS,"
                    f" which is {self.request_deadline_seconds:g}"
                )
        return self


def load() -> Settings:
    """Return the settings of the environment, or say by name which variable is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidSettings(", ".join(_sentence(detail) for detail in error.errors())) from None


def _sentence(detail: ErrorDetails) -> str:
    if not detail["loc"]:  # several variables that do not go together
        return detail["msg"].removeprefix("Value error, ")
    name = str(detail["loc"][0]).upper()
    if detail["type"] == "missing":
        return f"{name} is missing"
    return f"{name}: {detail['msg'].removeprefix('Value error, ')}"
