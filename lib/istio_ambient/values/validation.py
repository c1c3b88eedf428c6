# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From what pydantic finds invalid in data from outside to problems with a place and a remedy."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import pydantic
from pydantic_core import ErrorDetails

from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem, inside
from istio_ambient.values.text import shown

MAX_PROBLEMS = 3
"""Problems that are reported of one entry; the others show once these are corrected."""

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


def checked(
    accepts: str | Callable[[Any], object], message: str, remedy: str
) -> pydantic.AfterValidator:
    """Return a validator for the type of a field; it returns the values that it accepts.

    Args:
        accepts: a regular expression that valid texts match as a whole, or a function that returns
            a true value for a valid value.
        message: of the `InvalidValueError` for any other value.
        remedy: of that error.
    """
    # An expression is compiled when it is first used: a hook uses few of them.
    is_valid = functools.partial(re.fullmatch, accepts) if isinstance(accepts, str) else accepts

    def check(value: Any) -> Any:
        if not is_valid(value):
            raise InvalidValueError(message, remedy)
        return value

    return pydantic.AfterValidator(check)


def problems_of(
    error: pydantic.ValidationError | InvalidValueError,
    *,
    app: str,
    endpoint: str,
    field: str = "",
) -> list[Problem]:
    """Return the problems of one entry of a databag, at most `MAX_PROBLEMS`.

    Args:
        error: from validating the entry.
        app: the application that sent the entry.
        endpoint: our endpoint that the entry arrived over.
        field: the place of the entry: `policies[2]`; empty: the place is that in the model.
    """
    if isinstance(error, InvalidValueError):
        return [_problem(error, app=app, endpoint=endpoint, field=field)]
    details = error.errors(include_url=False, include_input=False)[:MAX_PROBLEMS]
    return [problem_of(each, app=app, endpoint=endpoint, field=field) for each in details]


def problem_of(
    detail: ErrorDetails,
    *,
    app: str,
    endpoint: str,
    field: str = "",
    shows_value: bool = False,
    remedy: str = "",
    code: Code = Code.INVALID_ENTRY,
) -> Problem:
    """Return the problem of one error of a `pydantic.ValidationError`.

    Args:
        detail: the error; its place is one in the model.
        app: the application that sent the value; empty for an option.
        endpoint: our endpoint that the value arrived over, or `config`.
        field: the place of the model.
        shows_value: whether the message quotes the value. An option may be quoted; a databag may
            hold a secret.
        remedy: for what has no remedy of its own; empty: one about the interface.
        code: of the problem.
    """
    context = cast(Mapping[str, object], detail.get("ctx", {}))
    cause, kind = context.get("error"), detail["type"]
    if not isinstance(cause, InvalidValueError):
        message = _MESSAGES.get(kind, detail["msg"][:1].lower() + detail["msg"][1:])
        if shows_value:
            message = f"{shown(detail['input'])}: {message}"
        default = "send what the interface asks for"
        if kind == "literal_error":
            default = f"use {context.get('expected', 'a known value')}"
        cause = InvalidValueError(message, _REMEDIES.get(kind, remedy or default))
    place = functools.reduce(inside, detail["loc"], field)
    return _problem(cause, app=app, endpoint=endpoint, field=place, code=code)


def _problem(
    error: InvalidValueError,
    *,
    app: str,
    endpoint: str,
    field: str,
    code: Code = Code.INVALID_ENTRY,
) -> Problem:
    if error.field.startswith("["):
        field += error.field
    elif error.field:
        field = inside(field, error.field)
    return Problem(
        app=app,
        endpoint=endpoint,
        field=field,
        message=error.message,
        remedy=error.remedy,
        code=code,
    )
