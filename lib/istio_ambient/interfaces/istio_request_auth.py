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
MAX_RULES = 16
MAX_VALUES = 64
MAX_TEXT = 256

_PRINTABLE = rf"[\x21-\x7e]{{1,{MAX_TEXT}}}"

# All applications share the gateway's filter. It answers 401 to any request, of any application,
# with a header for tokens that holds no valid token, and removes headers of claims from any
# request. So both kinds have names that are known to hold nothing else, and share none.
_TOKEN_HEADER = (
    r"authorization|([a-z0-9]+-)*jwt(-assertion|-token)?"  # noqa: S105 - names of headers
    r"|x-amzn-oidc-data|x-ms-token-aad-id-token"
)
_CLAIM_HEADER = (
    r"x-(auth|user|jwt|claim)-[a-z0-9-]*[a-z0-9]"
    r"|x-([a-z0-9]+-)*(email|user|userid|username|sub|subject|groups|roles)"
    r"|kubeflow-(userid|groups)"
)
_OTHER_MEANING = (
    r"x-(forwarded|envoy|istio|real)-.*|.*-(token|key|secret|password|signature|nonce|agent)"
)
"""Names that `_CLAIM_HEADER` matches and that hold something else."""
_USE_FOR_JWT = "use authorization, x-jwt, or a name that ends in -jwt or -jwt-assertion"
_USE_FOR_CLAIMS = "use x-auth-…, x-user-…, x-jwt-…, x-claim-…, x-…-email, -user, -groups"
_BEARER_REMEDY = "use the prefix 'Bearer ' with authorization"
BEARER = "Bearer "
"""The prefix of a token in `authorization`."""


def _token_header(value: str) -> str:
    if not re.fullmatch(_TOKEN_HEADER, value.lower()):
        raise InvalidValueError("not a header for tokens", _USE_FOR_JWT)
    return value


def _claim_header(value: str) -> str:
    name = value.lower()
    if (
        not re.fullmatch(_CLAIM_HEADER, name)
        or re.fullmatch(_OTHER_MEANING, name)
        or re.fullmatch(_TOKEN_HEADER, name)
    ):
        raise InvalidValueError("not a header for claims", _USE_FOR_CLAIMS)
    return value


_TEXT = checked(
    _PRINTABLE,
    "empty, too long, or with spaces or the like",
    f"use 1 to {MAX_TEXT} characters",
)
_T = TypeVar("_T")
_Values = Annotated[tuple[_T, ...], pydantic.Field(max_length=MAX_VALUES, fail_fast=True)]
_Text = Annotated[pydantic.StrictStr, _TEXT]
# In the policy that compares with it, `*` matches anything.
_PlainText = Annotated[
    pydantic.StrictStr, checked(lambda text: "*" not in text, "holds '*'", "name each"), _TEXT
]
_PREFIX = checked(
    rf"[\x20-\x7e]{{0,{MAX_TEXT}}}",
    "too long or not printable",
    "use a prefix such as 'Bearer '",
)


class ClaimToHeader(Databag):
    """A claim of a valid token that the application receives as a header."""

    header: Annotated[ExactHeaderName, pydantic.AfterValidator(_claim_header)]
    claim: _Text


class FromHeader(Databag):
    """A header that may hold a token."""

    name: Annotated[ExactHeaderName, pydantic.AfterValidator(_token_header)]
    prefix: Annotated[pydantic.StrictStr, _PREFIX] | None = None
    """The text before the token."""

    @pydantic.model_validator(mode="after")
    def _other_credentials_are_none_of_its(self) -> "FromHeader":
        if self.name.lower() == "authorization" and (self.prefix or "").strip() != "Bearer":
            # Every other scheme, such as Basic, would have to be a token as well.
            raise InvalidValueError("authorization holds other credentials too", _BEARER_REMEDY)
        return self


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
