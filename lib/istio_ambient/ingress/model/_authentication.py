# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Logins and tokens that authenticated routes require."""

from typing import TypeAlias

import msgspec

from istio_ambient import authorization
from istio_ambient.interfaces.istio_request_auth import JwtRule

Tokens: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""Accepted tokens: issuers, each once and sorted, with the audiences of which a token has to name
one; no audiences: any token of the issuer."""


class KeySource(msgspec.Struct, frozen=True, order=True):
    """Where the keys of an issuer are published."""

    issuer: str
    jwks_uri: str = ""
    """Empty: OpenID Connect discovery at the issuer finds it."""


class SigningKeys(msgspec.Struct, frozen=True):
    """The keys of one source, and what came of fetching them last."""

    jwks: str = ""
    """A `values.jwks.KeySet` as text: the last good keys; empty: there never were any."""
    fault: str = ""
    """Why the last attempt brought no keys, or what is wrong with them; empty: nothing."""
    transient: bool = False
    """Of a fault: a later attempt may succeed without a change; others need an operator."""


class AuthorizerService(msgspec.Struct, frozen=True):
    """The Service that the gateway sends check requests to."""

    requester: authorization.Requester
    """The application that named it."""
    namespace: str
    name: str
    port: int


class ForwardAuth(msgspec.Struct, frozen=True):
    """The external authorizer that decides about requests to authenticated routes."""

    wanted: bool = False
    """The forward-auth endpoint is related."""
    provider_name: str = ""
    """The authorizer's name in the mesh configuration; empty until the control plane replies."""
    missing: str = ""
    """Why the authorizer cannot be used yet; empty: no reason is known."""

    service: AuthorizerService | None = None
    """None: the authorizer has named none, or its address is not that of a Service."""

    @property
    def pending(self) -> bool:
        """Whether requests cannot be authorized yet; the gateway serves nothing meanwhile."""
        return self.wanted and (bool(self.missing) or not self.provider_name)


class Trust(msgspec.Struct, frozen=True):
    """The tokens that one application trusts; without rules its routes deny every request."""

    app: str
    rules: tuple[JwtRule, ...] = ()

    @property
    def accepted(self) -> Tokens:
        """The tokens that the rules accept, together."""
        found: list[tuple[str, tuple[str, ...]]] = []
        for issuer in sorted({rule.issuer for rule in self.rules}):
            audiences = [rule.audiences or () for rule in self.rules if rule.issuer == issuer]
            names = {name for each in audiences for name in each} if all(audiences) else ()
            found.append((issuer, tuple(sorted(names))))
        return tuple(found)
