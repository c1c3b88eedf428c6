# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Failed requests to the API server, as text that says what to do."""

import contextlib
import re
from collections.abc import Generator
from dataclasses import dataclass

import httpx2
import lightkube

from istio_ambient.kube._identity import Identity
from istio_ambient.values import text

_MAX_MESSAGE = 160
TRANSIENT_CODES = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Fault:
    """One failed request."""

    text: str
    """What was tried and what the API server answered, in one line for a status."""
    transient: bool
    """Whether the next attempt may succeed without a change; other faults need an operator."""
    code: int = 0
    """The HTTP status; 0 where there was no answer."""

    def __post_init__(self) -> None:
        text.make_printable(self)


def code_of(error: httpx2.HTTPError) -> int:
    """Return the HTTP status of a failed request; 0 where there was no answer.

    lightkube raises its ApiError only for answers in JSON, and an API server answers in plain text
    for paths that it does not serve.
    """
    return error.response.status_code if isinstance(error, httpx2.HTTPStatusError) else 0


@contextlib.contextmanager
def absence_allowed() -> Generator[None]:
    """Suppress the API server's answer that an object or a kind does not exist (404)."""
    try:
        yield
    except httpx2.HTTPStatusError as error:
        if code_of(error) != 404:
            raise


def fault_of(error: httpx2.HTTPError, doing: str, requester: Identity) -> Fault:
    """Return what a failed request means to an operator.

    Args:
        error: what lightkube raised: ApiError, or httpx2's own where there was no answer.
        doing: what was tried, such as `update Deployment default/web`.
        requester: who sent the request; its `permission_hint` follows a denial (401, 403).
    """
    code = code_of(error)
    if not code:
        return Fault(f"no answer from the Kubernetes API server ({_kind(error)})", transient=True)
    message = (error.status.message if isinstance(error, lightkube.ApiError) else "") or str(error)
    if code in (401, 403):
        denied = f"not permitted to {_denied(message) or doing}: {requester.permission_hint}"
        return Fault(denied.removesuffix(": "), transient=False, code=code)
    line = text.printable(" ".join(message.split()), _MAX_MESSAGE)
    return Fault(f"{doing}: {line}", code in TRANSIENT_CODES, code)


def _denied(message: str) -> str:
    """Return verb, resource and API group out of the authorizer's message."""
    found = re.search(r'cannot (\w+) resource "([^"]*)" in API group "([^"]*)"', message)
    if not found:
        return ""
    verb, resource, group = found.groups()
    return f"{verb} {resource}" + (f".{group}" if group else "")


def _kind(error: httpx2.HTTPError) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
