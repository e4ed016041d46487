"""Who asks: the caller of a request, and which customers they may act for.

What must not be known is not there: another customer's cart is answered like one that nobody
has, in the same bytes.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from app.errors import NotFound, Unauthenticated


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is; a service may act for every customer."""

    subject: str | None
    is_service: bool = False

    @property
    def only_customer(self) -> str | None:
        """The one customer they may act for, None for every."""
        return None if self.is_service else self.subject

    def may_act_for(self, customer_id: str) -> bool:
        """Tell whether they may see and change what this customer has."""
        return self.is_service or self.subject == customer_id

    def require(self, customer_id: str, what: str = "cart") -> None:
        """Raise NotFound of one shape for somebody else's cart, or order."""
        if not self.may_act_for(customer_id):
            raise NotFound(f"{what}-not-found", f"there is no such {what}")


ANYONE = Caller(subject=None, is_service=True)


_CALLER = "carthub.caller"


class Verifier(Protocol):
    """What knows a good token from a bad one."""

    async def verify(self, token: str) -> Caller:
        """Return whose token it is, or raise Unauthenticated."""


async def caller(request: Request) -> Caller:
    """Return who asks; everybody is anyone while authentication is off."""
    found: Caller | None = request.scope.get(_CALLER)
    if found is None:
        verifier: Verifier | None = request.app.state.service.verifier
        found = ANYONE if verifier is None else await verifier.verify(_bearer_token(request))
        request.scope[_CALLER] = found
    return found


async def verified(request: Request, token: str, named: str) -> Caller:
    """Return whose token this is that came in a member of the body, or say which one is bad."""
    verifier: Verifier | None = request.app.state.service.verifier
    if verifier is None:
        return ANYONE
    try:
        return await verifier.verify(token)
    except Unauthenticated as error:
        raise Unauthenticated(f"{named}: {error}") from error


CallerDep = Annotated[Caller, Depends(caller)]


def _bearer_token(request: Request) -> str:
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        # Of two, a proxy before us may have checked the other one.
        raise Unauthenticated("one bearer token is needed in Authorization")
    scheme, _, token = values[0].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Authorization must be Bearer and a token")
    return token.strip()
