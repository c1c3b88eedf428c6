# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Parameters of actions, as they are typed."""

from collections.abc import Mapping
from typing import Any, TypeAlias

Params: TypeAlias = Mapping[str, Any]
TABLE, JSON = "table", "json"
_MAX_PORT = 65535


class ParameterError(ValueError):
    """A parameter that is invalid; the message has its name and the remedy."""


def text_of(params: Params, name: str) -> str:
    """Return a parameter's text without surrounding spaces; empty where it is not given."""
    return str(params.get(name) or "").strip()


def required(params: Params, name: str, what: str) -> str:
    """Return a parameter's text.

    Args:
        params: of the action.
        name: of the parameter.
        what: the kind of value, in one word.

    Raises:
        ParameterError: it is not given.
    """
    text = text_of(params, name)
    if not text:
        raise ParameterError(f"{name} is missing: use {name}=<{what}>")
    return text


def choice(params: Params, name: str, choices: tuple[str, ...]) -> str:
    """Return a parameter that is one of the choices; the first where it is not given.

    Raises:
        ParameterError: it is not one of them.
    """
    chosen = text_of(params, name) or choices[0]
    if chosen not in choices:
        raise ParameterError(f"{name}: use one of {', '.join(choices)}")
    return chosen


def port(params: Params) -> int | None:
    """Return parameter `port`; None where it is not given.

    Raises:
        ParameterError: it is not a port number.
    """
    number = params.get("port")
    if number is None or (isinstance(number, int) and 0 < number <= _MAX_PORT):
        return number
    raise ParameterError(f"port: use a number from 1 to {_MAX_PORT}")
