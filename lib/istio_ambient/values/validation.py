# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From what pydantic finds invalid in data from outside to problems with a place and a remedy."""

import functools
from collections.abc import Mapping
from typing import cast

import pydantic
from pydantic_core import ErrorDetails

from istio_ambient.values.problems import InvalidValueError, Problem, inside
from istio_ambient.values.text import shown

MAX_PROBLEMS = 3
"""Problems that are reported of one entry; the others show once these are corrected."""
DEFAULT_REMEDY = "send what the interface asks for"

_REMEDIES = {
    "extra_forbidden": "leave it out, or refresh this charm to one that knows it",
    "missing": "add it",
    "int_type": "use an integer",
    "string_type": "use a string",
    "bool_type": "use true or false",
    "list_type": "use a list",
    "tuple_type": "use a list",
    "dict_type": "use an object",
    "model_type": "use an object, each of its keys once",
}

_MESSAGES = {
    "extra_forbidden": "not known, and may be a restriction: the whole entry is left out",
    "int_type": "not an integer",
    "list_type": "not a list",
    "model_type": "not an object",
    "string_type": "not a string",
    "tuple_type": "not a list",
}


def problems_of(
    error: pydantic.ValidationError | InvalidValueError,
    *,
    app: str,
    endpoint: str,
    field: str = "",
    shows_values: bool = False,
    remedy: str = DEFAULT_REMEDY,
) -> list[Problem]:
    """Return the problems of one entry, at most `MAX_PROBLEMS`.

    Args:
        error: from validating the entry.
        app: the application that sent the entry; empty for an option.
        endpoint: our endpoint that the entry arrived over, or `config`.
        field: the place of the entry: `policies[2]`; empty: the place is that in the model.
        shows_values: whether messages quote an invalid value. An option may be quoted; a databag
            may hold a secret.
        remedy: for what has no remedy of its own.
    """
    problem = functools.partial(Problem, app=app, endpoint=endpoint)
    if isinstance(error, InvalidValueError):
        place = _joined(field, error.field)
        return [problem(field=place, message=error.message, remedy=error.remedy)]
    problems: list[Problem] = []
    for detail in error.errors(include_url=False, include_input=shows_values)[:MAX_PROBLEMS]:
        place = functools.reduce(inside, detail["loc"], field)
        cause = _context(detail).get("error")
        if isinstance(cause, InvalidValueError):
            place = _joined(place, cause.field)
            problems.append(problem(field=place, message=cause.message, remedy=cause.remedy))
            continue
        message = _message(detail)
        if shows_values:
            message = f"{shown(detail['input'])}: {message}"
        problems.append(problem(field=place, message=message, remedy=_remedy(detail, remedy)))
    return problems


def _joined(place: str, inner: str) -> str:
    if not inner or inner.startswith("["):
        return place + inner
    return inside(place, inner)


def _context(detail: ErrorDetails) -> Mapping[str, object]:
    return cast(Mapping[str, object], detail.get("ctx", {}))


def _message(detail: ErrorDetails) -> str:
    text = _MESSAGES.get(detail["type"], detail["msg"])
    return text[:1].lower() + text[1:]


def _remedy(detail: ErrorDetails, default: str) -> str:
    if detail["type"] == "literal_error":
        return f"use {_context(detail).get('expected', 'a known value')}"
    return _REMEDIES.get(detail["type"], default)
