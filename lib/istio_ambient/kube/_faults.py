# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Failed requests to the API server: one typed error for everything that a request can end in."""

import contextlib
import re
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import httpx2
import lightkube
import msgspec

from istio_ambient.kube import _transport
from istio_ambient.kube._identity import Identity
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

T = TypeVar("T")

TRANSIENT_CODES = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_DENIED = r'cannot (\w+) resource "([^"]*)" in API group "([^"]*)"'
"""What the API server's authorizer (RBAC) says, and nothing else that answers with 403."""
_GRANTS = r"attempting to grant RBAC permissions|cannot \w+ path "
_QUOTA = r"exceeded quota|failed quota|(maximum|minimum) \w+ usage per "
_TERMINATING = r"because it is being terminated"
_ADMISSION = r"denied (the )?request|violates PodSecurity"
"""Other refusals: plugins of the API server, webhooks and policies answer with 403, or with a
code of their own."""
_OTHER_OBJECT = r"metadata\.uid: Invalid value"


class Fault(msgspec.Struct, frozen=True):
    """One failed request."""

    problem: Problem
    """What was tried, what the API server answered, and what to do."""
    transient: bool
    """Whether the next attempt may succeed without a change; other faults need an operator."""

    @property
    def text(self) -> str:
        """The fault in one line."""
        return str(self.problem)


class RequestError(Exception):
    """A request to the API server failed, whatever it ended in.

    Args:
        doing: what was tried, with the object: `update Deployment default/web`.
        message: the API server's own words, or why there are none.
        code: the HTTP status; 0 where there was no answer of the Kubernetes API.
        transient: whether the same request may succeed later.
    """

    def __init__(self, doing: str, message: str, code: int = 0, *, transient: bool = False):
        super().__init__(f"{doing}: {message}")
        self.doing = doing
        self.message = message
        self.code = code
        self.transient = transient

    @property
    def is_absence(self) -> bool:
        """Whether the API server says that there is no such object or kind."""
        return self.code == 404

    @property
    def denied(self) -> str:
        """Verb, resource and API group that RBAC does not permit; empty: another reason."""
        found = re.search(_DENIED, self.message) if self.code == 403 else None
        if found is None:
            return ""
        verb, resource, group = found.groups()
        return f"{verb} {resource}" + (f".{group}" if group else "")


def attempt(doing: str, request: Callable[[], T]) -> T:
    """Return the outcome of a request; whatever else it ends in becomes a `RequestError`.

    lightkube raises its ApiError for answers in JSON, httpx2's errors where there was no answer,
    and anything else where an answer is none that it can decode.

    Args:
        doing: what is tried, with the object: `update Deployment default/web`.
        request: sends it, and reads the answer.
    """
    try:
        return request()
    except RequestError:
        raise
    except httpx2.HTTPStatusError as error:
        raise _of_status(error, doing) from error
    except _transport.DeadlineError as error:
        message = "no time is left, the next hook goes on"
        raise RequestError(doing, message, transient=True) from error
    except httpx2.HTTPError as error:
        message = f"no answer from the Kubernetes API server ({_kind(error)})"
        raise RequestError(doing, message, transient=True) from error
    except lightkube.ConfigError as error:
        raise RequestError(doing, f"no cluster to talk to: {error}") from error
    except Exception as error:
        message = f"what the API server answered cannot be read ({_kind(error)})"
        raise RequestError(doing, message, transient=True) from error


def failure(request: Callable[..., object], *arguments: Any) -> tuple[RequestError, ...]:
    """Send a request on which no other depends; return what failed, if it did.

    Args:
        request: a function that raises `RequestError`.
        arguments: of the function.
    """
    try:
        request(*arguments)
    except RequestError as error:
        return (error,)
    return ()


def _of_status(error: httpx2.HTTPStatusError, doing: str) -> RequestError:
    code = error.response.status_code
    status = error.status if isinstance(error, lightkube.ApiError) else None
    message = " ".join(str((status and status.message) or f"HTTP {code}").split())
    if code == 401:
        message = f"the API server does not accept the token: {message}"
    if code == 422 and re.search(_OTHER_OBJECT, message):
        return RequestError(doing, "another object has taken its place", 409, transient=True)
    return RequestError(doing, message, code, transient=code in TRANSIENT_CODES)


@contextlib.contextmanager
def absence_allowed() -> Generator[None]:
    """Suppress the API server's answer that an object or a kind does not exist (404)."""
    try:
        yield
    except RequestError as error:
        if not error.is_absence:
            raise


def fault_of(error: RequestError, requester: Identity) -> Fault:
    """Return what a failed request means to an operator.

    Args:
        error: names what was tried.
        requester: who sent the request; has the remedies for what the API server refuses to it.
    """
    code, remedy = _meaning(error, requester)
    where, message = error.doing, error.message
    if error.denied:
        where, message = "", f"not permitted to {error.denied}"
    problem = Problem("", where, "", message=message, remedy=remedy, code=code)
    return Fault(problem, error.transient)


def changed_on_write(ref: object, path: str) -> Fault:
    """Return what it means that the API server's answer is not what was sent to it.

    Args:
        ref: the object, as it is named.
        path: of the first difference.
    """
    problem = Problem(
        "",
        str(ref),
        "",
        message=f"a webhook changes what is written: {path}",
        remedy="exempt it from that webhook",
        code=Code.CHANGED_ON_WRITE,
    )
    return Fault(problem, transient=False)


def _meaning(error: RequestError, requester: Identity) -> tuple[Code, str]:
    """Return the code of a failed request, and the remedy; empty: the answer says it."""
    if error.transient:
        return Code.NO_ANSWER, ""
    if error.denied or (error.code == 403 and re.search(_GRANTS, error.message)):
        return Code.NOT_PERMITTED, requester.permission_hint
    if error.code == 401:
        return Code.TOKEN_REFUSED, requester.token_hint
    if re.search(_TERMINATING, error.message):
        return Code.NAMESPACE_TERMINATING, "wait until it is gone, or see what it waits for"
    if re.search(_QUOTA, error.message):
        return Code.QUOTA_EXCEEDED, "raise the quota, or lower the resources of the pods"
    if error.code == 403 or re.search(_ADMISSION, error.message):
        return Code.REFUSED_BY_ADMISSION, "exempt it from the webhook or policy that refuses it"
    return Code.REQUEST_REFUSED, ""


def _kind(error: Exception) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
