"""What the operator's environment decides."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from carthub_operator.api import names
from carthub_operator.errors import InvalidSettings


class Settings(BaseSettings):
    """The operator's settings; each is a variable with the prefix CARTHUB_.

    AWS identity, region and endpoint are boto3's own variables; outside a cluster KUBECONFIG
    names the kubeconfig.
    """

    model_config = SettingsConfigDict(env_prefix="CARTHUB_", frozen=True, extra="ignore")

    namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="The namespaces to watch, with commas between; empty: all."
    )
    secret_allow_list: dict[str, list[str]] | None = Field(
        default=None,
        description="Which namespaces may have which AWS secrets: a JSON object from a glob of"
        " namespaces to a list of globs of secretIds. Required while all namespaces are watched.",
    )
    role_allow_list: dict[str, list[str]] = Field(
        default={},
        description="Which namespaces may have their secrets read in which AWS roles: a JSON"
        " object from a glob of namespaces to a list of globs of role ARNs; empty: in none but"
        " the operator's own.",
    )
    lease_namespace: str = Field(
        default="",
        description="The namespace of the Lease that says which of several operators writes;"
        " empty: this is the only one.",
    )
    lease_name: str = Field(default="carthub-operator", description="The name of that Lease.")
    check_logins: bool = Field(
        default=True,
        description="Whether new credentials are tried before they are used; off where the"
        " operator has no way to any database.",
    )
    http_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - probes and scrapes come from outside the pod
        description="Where /healthz, /readyz and /metrics are served.",
    )
    http_port: int = Field(default=8080, ge=0, le=65535, description="Their port.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="From which level on lines are logged."
    )
    workers: int = Field(default=4, ge=1, le=64, description="How many passes run at a time.")
    resync_seconds: float = Field(
        default=300.0,
        ge=5.0,
        description="How often everything is listed, to find what no watch has told.",
    )

    @field_validator("namespaces", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        return value

    @field_validator("namespaces")
    @classmethod
    def _named(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if not re.fullmatch(names.NAMESPACE_PATTERN, name):
                raise ValueError(f"{name!r} is not the name of a namespace; patterns are not taken")
        return given

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not self.namespaces and self.secret_allow_list is None:
            raise ValueError(
                "CARTHUB_SECRET_ALLOW_LIST is missing: an operator that watches every namespace"
                " must be told which may have which AWS secrets, such as"
                ' {"shop-*": ["prod/carthub/*"]}, or {} for none'
            )
        return self


def load() -> Settings:
    """Return the settings; raises InvalidSettings that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        where = "".join(f"CARTHUB_{str(part).upper()}: " for part in first["loc"][:1])
        raise InvalidSettings(f"{where}{message}") from None
