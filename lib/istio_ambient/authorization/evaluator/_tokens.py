# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Tokens of requests, which RequestAuthentications make waypoints and gateways look at.

A token that is malformed, expired or of an unknown issuer is answered with 401, whatever the
policies allow; a request without a token passes on. Only the form of a token is looked at. See
https://istio.io/latest/docs/reference/config/security/request_authentication/.
"""

import base64
import binascii
import enum
import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from istio_ambient import kube
from istio_ambient.authorization.evaluator import _snapshot
from istio_ambient.authorization.evaluator._snapshot import Manifest

_PARTS = 3


class Token(enum.Enum):
    """What is known of a request's token."""

    ABSENT = enum.auto()
    UNSPECIFIED = enum.auto()
    """The request's headers or its path are not given."""
    UNCHECKED = enum.auto()
    """One has a form that a valid token may have."""
    MALFORMED = enum.auto()
    """None of those that are sent has."""


def token(
    authentications: Sequence[Manifest], headers: Mapping[str, str] | None, path: str | None
) -> Token:
    """Return what is known of a request's token.

    Args:
        authentications: the RequestAuthentications of one proxy and destination.
        headers: of the request, by names in lower case; None: unspecified.
        path: with the query; None: unspecified.
    """
    rules = [rule for each in authentications for rule in _rules(each)]
    if not rules:
        return Token.ABSENT
    if headers is None:
        return Token.UNSPECIFIED
    found = [value for rule in rules for value in _values(rule, headers, path or "")]
    if not found:
        return Token.ABSENT
    # One that is valid suffices, whatever else is sent: istiod lets Envoy require any of them.
    return Token.UNCHECKED if any(map(_is_token, found)) else Token.MALFORMED


def _rules(authentication: Manifest) -> list[dict[str, Any]]:
    return kube.items(_snapshot.spec(authentication), "jwtRules")


def _values(rule: Mapping[str, Any], headers: Mapping[str, str], path: str) -> Iterator[str]:
    """Yield the tokens of a request at the places that a rule names, or at the usual ones."""
    from_headers = kube.items(rule, "fromHeaders")
    parameters = [str(each) for each in cast(list[object], rule.get("fromParams") or [])]
    cookies = [str(each) for each in cast(list[object], rule.get("fromCookies") or [])]
    if not (from_headers or parameters or cookies):
        from_headers, parameters = (
            [{"name": "authorization", "prefix": "Bearer "}],
            ["access_token"],
        )
    for each in from_headers:
        value = headers.get(str(each.get("name", "")).lower())
        prefix = str(each.get("prefix") or "")
        if value is not None and value.startswith(prefix):
            yield value.removeprefix(prefix)
    query = urllib.parse.parse_qs(path.partition("?")[2])
    yield from (value for name in parameters for value in query.get(name, ())[:1])
    sent = (each.strip().partition("=") for each in headers.get("cookie", "").split(";"))
    yield from (value for name, _, value in sent if name in cookies)


def _is_token(text: str) -> bool:
    parts = text.strip().split(".")
    return len(parts) == _PARTS and all(map(_is_object, parts[:2]))


def _is_object(part: str) -> bool:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        return isinstance(json.loads(decoded), dict)
    except (ValueError, binascii.Error, RecursionError):
        return False
