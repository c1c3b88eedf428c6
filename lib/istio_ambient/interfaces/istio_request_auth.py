# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `istio_request_auth` interface, provider side: which tokens an application trusts.

The requirer's application databag holds `jwt_rules`, a JSON list of rules; the provider's nothing.
Fields are those of Istio's `JWTRule` in snake case:
https://istio.io/latest/docs/reference/config/security/request_authentication/#JWTRule.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, cast

import pydantic

from istio_ambient.interfaces import _fields, _json, _validation
from istio_ambient.values import urls
from istio_ambient.values.problems import Problem

KEY = "jwt_rules"
MAX_RULES = 64
MAX_VALUES = 64
MAX_TEXT = 256

_MODEL = pydantic.ConfigDict(extra="forbid", frozen=True)

_HEADER = re.compile(r"[-_A-Za-z0-9]+")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_PREFIX = re.compile(r"[\x20-\x7e]*")

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
"""Headers with a meaning of their own, which no claim may take the place of."""
FORBIDDEN_PREFIXES = ("x-forwarded-", "x-envoy-", "x-istio-", "proxy-", "sec-")


def _claim_header(value: str) -> str:
    if len(value) > _fields.MAX_HEADER or not _HEADER.fullmatch(value):
        raise _validation.refused("not a header name", "use letters, digits, '-' and '_'")
    # "_" too: servers that turn headers into variables take it for "-".
    name = value.lower().replace("_", "-")
    if name in FORBIDDEN_HEADERS or name.startswith(FORBIDDEN_PREFIXES):
        raise _validation.refused(
            "a header with a meaning of its own", "use one such as x-auth-email"
        )
    return value


def _source_header(value: str) -> str:
    value = _fields.header_name(value)
    if value.lower() in ("host", "cookie"):
        raise _validation.refused("a header that holds something else", "use another header")
    return value


def _text(value: str) -> str:
    if len(value) > MAX_TEXT or not _PRINTABLE.fullmatch(value):
        raise _validation.refused(
            "empty, too long, or with spaces or the like", f"use 1 to {MAX_TEXT} characters"
        )
    return value


def _plain_text(value: str) -> str:
    """Check what a policy compares with, where `*` stands for anything."""
    if "*" in value:
        raise _validation.refused("holds '*'", "name each")
    return _text(value)


def _prefix(value: str) -> str:
    if len(value) > MAX_TEXT or not _PREFIX.fullmatch(value):
        raise _validation.refused("too long or not printable", "use a prefix such as 'Bearer '")
    return value


_Str = Annotated[str, pydantic.Field(strict=True)]
_Text = Annotated[_Str, pydantic.AfterValidator(_text)]
_PlainText = Annotated[_Str, pydantic.AfterValidator(_plain_text)]


class ClaimToHeader(pydantic.BaseModel):
    """A claim of a valid token that the application gets to see as a header."""

    model_config = _MODEL

    header: Annotated[_Str, pydantic.AfterValidator(_claim_header)]
    claim: _Text


class FromHeader(pydantic.BaseModel):
    """A header in which a token may stand."""

    model_config = _MODEL

    name: Annotated[_Str, pydantic.AfterValidator(_source_header)]
    prefix: Annotated[_Str, pydantic.AfterValidator(_prefix)] | None = None
    """What stands before the token."""


class JwtRule(pydantic.BaseModel):
    """Tokens of one issuer. A list that is null or empty restricts nothing."""

    model_config = _MODEL

    issuer: _PlainText
    jwks_uri: Annotated[_Str, pydantic.AfterValidator(urls.fetched)] | None = None
    """Where the issuer's keys are; None: OpenID Connect discovery at the issuer tells."""
    audiences: Annotated[tuple[_PlainText, ...], pydantic.Field(max_length=MAX_VALUES)] | None = (
        None
    )
    forward_original_token: pydantic.StrictBool | None = None
    claim_to_headers: (
        Annotated[tuple[ClaimToHeader, ...], pydantic.Field(max_length=MAX_VALUES)] | None
    ) = None
    from_headers: (
        Annotated[tuple[FromHeader, ...], pydantic.Field(max_length=MAX_VALUES)] | None
    ) = None

    @pydantic.model_validator(mode="after")
    def _keys_can_be_found(self) -> "JwtRule":
        if self.jwks_uri is None:
            urls.fetched(self.issuer)
        return self


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[list[JwtRule], list[Problem]]:
    """Read the rules; never raises for what stands in the databag.

    A rule with anything wrong in it is left out whole; the rules beside it stay. That an
    application has sent none yet is no problem, but nothing to let anybody in by, either.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it came in by, for the problems.
    """
    try:
        entries = _json.decode(databag.get(KEY, "null"))
    except _json.MalformedError as error:
        return [], [Problem(app, endpoint, KEY, str(error), error.remedy)]
    if entries is None:
        return [], []
    if not isinstance(entries, list):
        return [], [Problem(app, endpoint, KEY, "not a list", "use a list")]
    rules: list[JwtRule] = []
    problems: list[Problem] = []
    for number, entry in enumerate(cast(list[Any], entries)[:MAX_RULES]):
        try:
            rules.append(JwtRule.model_validate(_without_unknown_nulls(entry)))
        except pydantic.ValidationError as error:
            field = f"{KEY}[{number}]"
            problems += _validation.problems_of(error, app=app, endpoint=endpoint, field=field)
    if len(cast(list[Any], entries)) > MAX_RULES:
        remedy = f"send at most {MAX_RULES}"
        problems.append(Problem(app, endpoint, KEY, f"more than {MAX_RULES} rules", remedy))
    return rules, problems


def _without_unknown_nulls(entry: Any) -> Any:
    # A later release of the requirer's library sends its new optional fields as null.
    if not isinstance(entry, dict):
        return entry
    members = cast(dict[str, Any], entry).items()
    return {k: value for k, value in members if value is not None or k in JwtRule.model_fields}
