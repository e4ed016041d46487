"""What stands between a request and the call of an endpoint, worked out when it is declared."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from starlette.convertors import Convertor, StringConvertor

from app.api import requests


@dataclass(frozen=True)
class _Dependency:
    """A function of the request, and the parameters that take what it returns."""

    call: Callable[[Request], Any]
    is_async: bool
    names: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Steps in the order of FastAPI's own, so that the first error of a request is the same."""

    endpoint: Callable[..., Awaitable[Response]]
    parameters: Dependant
    dependencies: tuple[_Dependency, ...]

    async def answer(self, request: Request, path_values: Mapping[str, str]) -> Response:
        """Return the endpoint's answer, or raise what is wrong with the request."""
        body = await requests.json_body(request) if self.parameters.body_params else None
        values: dict[str, Any] = {}
        for dependency in self.dependencies:
            found = dependency.call(request)
            if dependency.is_async:
                found = await found
            for name in dependency.names:
                values[name] = found
        if errors := self._fill(values, request, path_values, body):
            raise RequestValidationError(errors, body=body)
        return await self.endpoint(**values)

    def _fill(
        self,
        values: dict[str, Any],
        request: Request,
        path_values: Mapping[str, str],
        body: Any,  # noqa: ANN401 - any JSON value
    ) -> list[Any]:
        parameters = self.parameters
        errors: list[Any] = []
        for field in parameters.path_params:
            location = ("path", field.alias)
            values[field.name], wrong = field.validate(path_values[field.alias], loc=location)
            errors += wrong
        if parameters.query_params:
            found, wrong = request_params_to_args(
                parameters.query_params, requests.query_parameters(request)
            )
            values.update(found)
            errors += wrong
        for field in parameters.body_params:
            values[field.name], wrong = field.validate(body, loc=("body",))
            errors += wrong
        if parameters.request_param_name is not None:
            values[parameters.request_param_name] = request
        return errors


def compiled(
    endpoint: Callable[..., Any], parameters: Dependant, convertors: Mapping[str, Convertor[Any]]
) -> Plan:
    """Return the plan of an endpoint, or raise TypeError naming what no plan can hold."""
    name = getattr(endpoint, "__qualname__", repr(endpoint))
    unknown = [
        *parameters.header_params,
        *parameters.cookie_params,
        *parameters.body_params[1:],
        *(special for special in _specials(parameters) if special is not None),
    ]
    if unknown or any(type(found) is not StringConvertor for found in convertors.values()):
        raise TypeError(f"{name}: takes path and query parameters, one JSON body, and Depends")
    if not inspect.iscoroutinefunction(endpoint):
        raise TypeError(f"{name}: must be async")
    calls: dict[Callable[..., Any], list[str]] = {}
    for found in parameters.dependencies:
        names = calls.setdefault(_checked(name, found), [])
        if found.name is not None:
            names.append(found.name)
    return Plan(
        endpoint,
        parameters,
        tuple(
            _Dependency(call, inspect.iscoroutinefunction(call), tuple(names))
            for call, names in calls.items()
        ),
    )


def _checked(endpoint: str, dependency: Dependant) -> Callable[[Request], Any]:
    call = dependency.call
    assert call is not None  # noqa: S101 - of every dependency
    takes_request_only = list(inspect.signature(call).parameters) == [dependency.request_param_name]
    is_generator = inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call)
    if not takes_request_only or is_generator:
        raise TypeError(f"{endpoint}: {call!r} must be a function of Request alone")
    return call


def _specials(parameters: Dependant) -> tuple[str | None, ...]:
    return (
        parameters.websocket_param_name,
        parameters.http_connection_param_name,
        parameters.response_param_name,
        parameters.background_tasks_param_name,
        parameters.security_scopes_param_name,
    )
