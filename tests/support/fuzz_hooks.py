"""What schemathesis must know beside the OpenAPI document: rules that no schema can state.

Loaded by its command line (SCHEMATHESIS_HOOKS). A request that fits the schema and breaks one of
these rules is refused rightly; any other refusal of such a request is a finding.
"""

import re
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response

# Each names what it compares the value with: the cart, the currency, another value.
_RULES = re.compile(
    r"is needed for the first line of a cart"
    r"|is needed for a product that is not in the cart"
    r"|must have at most \d decimals, which is what [A-Z]{3} has"
    r"|must be another customer's"
    r"|must be the next_cursor of a page"
    r"|must be the one of all other lines"
    r"|items/\d+/product_id is named twice"
)


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Failure,
    case: schemathesis.Case[Any],
    response: Response,
) -> bool:
    """Keep a finding, unless a rule or the version of the cart explains it."""
    del context, case
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    if response.status_code == 412:
        return False
    problem = response.json()
    if problem.get("code") == "idempotency-key-reused":
        return False
    found = problem.get("errors", [])
    return not found or not all(_RULES.search(error["detail"]) for error in found)
