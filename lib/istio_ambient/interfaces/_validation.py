# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Turn what pydantic found in a databag into problems that say where and what to do."""

from collections.abc import Iterable

import pydantic
import pydantic_core

from istio_ambient.values.problems import Problem

MAX_PER_ENTRY = 3
"""Problems told of one entry: whoever mends it sees the rest then."""

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


def refused(message: str, remedy: str) -> pydantic_core.PydanticCustomError:
    """Return what a validator raises: both texts end in a `Problem`, so no value in either."""
    return pydantic_core.PydanticCustomError(
        "refused", "{message}", {"message": message, "remedy": remedy}
    )


def problems_of(
    error: pydantic.ValidationError, *, app: str, endpoint: str, field: str
) -> list[Problem]:
    """Return the problems that a validation found.

    Args:
        error: what pydantic raised for one entry.
        app: the application that sent the entry.
        endpoint: our endpoint that it came in by.
        field: where the entry stands in the databag: `policies[2]`.
    """
    details = error.errors(include_url=False, include_input=False)[:MAX_PER_ENTRY]
    return [
        Problem(
            app=app,
            endpoint=endpoint,
            field=field_path(field, detail["loc"]),
            message=_message(detail),
            remedy=str(detail.get("ctx", {}).get("remedy") or _remedy(detail)),
        )
        for detail in details
    ]


def field_path(root: str, location: Iterable[int | str]) -> str:
    """Return a path such as `policies[2].endpoints[0].ports[1]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return root + "".join(parts)


def _message(detail: pydantic_core.ErrorDetails) -> str:
    if detail["type"] in _MESSAGES:
        return _MESSAGES[detail["type"]]
    text = detail["msg"]
    return text[:1].lower() + text[1:]


def _remedy(detail: pydantic_core.ErrorDetails) -> str:
    if detail["type"] == "literal_error":
        return f"use {detail.get('ctx', {}).get('expected', 'a known value')}"
    return _REMEDIES.get(detail["type"], "send what the interface asks for")
