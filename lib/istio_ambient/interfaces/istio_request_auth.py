# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `istio_request_auth` interface, provider side: the tokens that an application trusts.

The requirer's application databag holds `jwt_rules`, a JSON list of rules; the provider's nothing.
Fields are those of Istio's `JWTRule` in snake case:
https://istio.io/latest/docs/reference/config/security/request_authentication/#JWTRule.
"""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

import pydantic

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import urls
from istio_ambient.values.headers import ExactHeaderName
from istio_ambient.values.problems import InvalidValueError, Problem
from istio_ambient.values.validation import checked

KEY = "jwt_rules"
MAX_RULES = 64
MAX_VALUES = 64
MAX_TEXT = 256

# Istio's CRD has this pattern for the headers of claims.
_HEADER = re.compile(r"[-_A-Za-z0-9]+")
_PRINTABLE = re.compile(rf"[\x21-\x7e]{{1,{MAX_TEXT}}}")

FORBIDDEN_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-real-ip",
        "x-request-id",
    }
)
"""Headers with a meaning of their own, which no claim may replace."""
FORBIDDEN_PREFIXES = ("x-forwarded-", "x-envoy-", "x-istio-", "proxy-", "sec-")


def _claim_header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise InvalidValueError("not a header name", "use letters, digits, '-' and '_'")
    # Servers that turn headers into variables do not tell "_" from "-".
    name = value.lower().replace("_", "-")
    if name in FORBIDDEN_HEADERS or name.startswith(FORBIDDEN_PREFIXES):
        remedy = "use one such as x-auth-email"
        raise InvalidValueError("a header with a meaning of its own", remedy)
    return value


_TEXT = checked(
    _PRINTABLE.fullmatch,
    "empty, too long, or with spaces or the like",
    f"use 1 to {MAX_TEXT} characters",
)
_T = TypeVar("_T")
_Values = Annotated[tuple[_T, ...], pydantic.Field(max_length=MAX_VALUES)]
_Text = Annotated[pydantic.StrictStr, _TEXT]
# In the policy that compares with it, `*` matches anything.
_PlainText = Annotated[
    pydantic.StrictStr, checked(lambda text: "*" not in text, "holds '*'", "name each"), _TEXT
]
_SOURCE = checked(
    lambda name: name.lower() not in ("host", "cookie"),
    "a header that holds something else",
    "use another header",
)
_PREFIX = checked(
    re.compile(rf"[\x20-\x7e]{{0,{MAX_TEXT}}}").fullmatch,
    "too long or not printable",
    "use a prefix such as 'Bearer '",
)


class ClaimToHeader(Databag):
    """A claim of a valid token that the application receives as a header."""

    header: Annotated[ExactHeaderName, pydantic.AfterValidator(_claim_header)]
    claim: _Text


class FromHeader(Databag):
    """A header that may hold a token."""

    name: Annotated[ExactHeaderName, _SOURCE]
    prefix: Annotated[pydantic.StrictStr, _PREFIX] | None = None
    """The text before the token."""


class JwtRule(Databag):
    """Tokens of one issuer. A list that is null or empty restricts nothing."""

    issuer: _PlainText
    jwks_uri: urls.FetchedUrl | None = None
    """The URL of the issuer's keys; None: that of OpenID Connect discovery at the issuer."""
    audiences: _Values[_PlainText] | None = None
    forward_original_token: pydantic.StrictBool | None = None
    claim_to_headers: _Values[ClaimToHeader] | None = None
    from_headers: _Values[FromHeader] | None = None

    @pydantic.model_validator(mode="after")
    def _keys_can_be_found(self) -> "JwtRule":
        if self.jwks_uri is None:
            urls.fetched(self.issuer)
        return self


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[list[JwtRule], list[Problem]]:
    """Read the rules. A rule with an invalid part is dropped; the other rules stay.

    An application that has sent no rules yet causes no problem, and no token is valid for it.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    rules = reader.entries(JwtRule, reader.members(KEY, MAX_RULES), KEY)
    return list(rules.values()), reader.problems
