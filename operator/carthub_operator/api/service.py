"""The parts of the spec that the service is told: whom it serves, and what carts may hold.

What is left out is not passed on: the service's own default counts, and an operator that learns
of a new setting changes no running pod.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from carthub_operator.api.model import Model, Rule

# Printable, without the characters that end a path.
_URL_PATTERN = r'^https?://[!"$->@-~]+$'
_PRINTABLE = "^[!-~]+$"
Url = Annotated[str, Field(pattern=_URL_PATTERN, max_length=2048)]


class Auth(Model):
    """Whose tokens callers of the API must have; without an issuer nobody needs one."""

    issuer: Url | None = Field(
        None, description="The issuer of the tokens, as their `iss` has it, such as"
        " https://id.example.com."
    )  # fmt: skip
    audience: str | None = Field(
        None,
        pattern=_PRINTABLE,
        max_length=255,
        description="What `aud` of a token must contain, such as carthub.",
    )
    jwks_url: Url | None = Field(
        None,
        description="The issuer's keys. Left out: where its OpenID description says. The network"
        " policy lets pods reach neither: open the way in network.allowTo.",
    )
    service_scope: str | None = Field(
        None,
        pattern=_PRINTABLE,
        max_length=255,
        description="The scope of a token that may act for every customer. Left out:"
        " carthub.service.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.issuer) == has(self.audience)",
            message="give issuer and audience both, or neither: without them anybody may call",
            holds=lambda it: (it.issuer is None) == (it.audience is None),
        ),
        Rule(
            cel="has(self.issuer) || !(has(self.jwksUrl) || has(self.serviceScope))",
            message="jwksUrl and serviceScope count only with issuer and audience: give these too",
            holds=lambda it: (
                it.issuer is not None or (it.jwks_url is None and it.service_scope is None)
            ),
        ),
    )


class Cart(Model):
    """What a cart may hold, and for how long."""

    ttl: str | None = Field(
        None,
        pattern="^[1-9][0-9]{0,3}d$",
        max_length=5,
        description="How many days after its last change a cart expires. Left out: 30d.",
    )
    max_lines: int | None = Field(
        None, ge=1, le=10_000, description="The most lines of a cart. Left out: 500."
    )
    max_quantity: int | None = Field(
        None, ge=1, le=1_000_000, description="The most pieces in a line. Left out: 999."
    )
    currency: str | None = Field(
        None,
        pattern="^[A-Z]{3}$",
        max_length=3,
        description="The currency of a first product that names none, such as EUR. Left out: a"
        " product must name one.",
    )

    @property
    def ttl_days(self) -> str | None:
        """Return the number of days."""
        return None if self.ttl is None else self.ttl.removesuffix("d")
