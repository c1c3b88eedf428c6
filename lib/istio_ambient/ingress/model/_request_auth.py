# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which tokens requests to authenticated routes have to carry."""

from dataclasses import dataclass
from typing import Any, TypeAlias

Tokens: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""Issuers, each once and sorted, with the audiences of which a token names one; empty: any."""


@dataclass(frozen=True)
class JwtRule:
    """Tokens that an application trusts: Istio's `JWTRule`."""

    issuer: str
    jwks_uri: str = ""
    audiences: tuple[str, ...] = ()
    """Empty: any."""
    forward_original_token: bool = False
    claim_to_headers: tuple[tuple[str, str], ...] = ()
    """Header, claim."""
    from_headers: tuple[tuple[str, str], ...] = ()
    """Header, prefix; empty: `Authorization: Bearer`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as it stands in a RequestAuthentication."""
        members: dict[str, Any] = {
            "issuer": self.issuer,
            "jwksUri": self.jwks_uri,
            "audiences": list(self.audiences),
            "forwardOriginalToken": self.forward_original_token,
            "outputClaimToHeaders": [
                {"header": header, "claim": claim} for header, claim in self.claim_to_headers
            ],
            "fromHeaders": [
                {"name": name, **({"prefix": prefix} if prefix else {})}
                for name, prefix in self.from_headers
            ],
        }
        return {key: value for key, value in members.items() if value}


@dataclass(frozen=True)
class Trust:
    """What one application trusts; without rules nobody gets to its routes."""

    app: str
    rules: tuple[JwtRule, ...] = ()

    @property
    def accepted(self) -> Tokens:
        """The tokens that the rules accept."""
        found: list[tuple[str, tuple[str, ...]]] = []
        for issuer in sorted({rule.issuer for rule in self.rules}):
            audiences = [rule.audiences for rule in self.rules if rule.issuer == issuer]
            names = {name for each in audiences for name in each} if all(audiences) else ()
            found.append((issuer, tuple(sorted(names))))
        return tuple(found)


@dataclass(frozen=True)
class RequestAuth:
    """What applications say of the tokens that they take."""

    trusts: tuple[Trust, ...] = ()
    """Of every application that is related over istio-request-auth, whatever it says."""

    @property
    def related(self) -> bool:
        """Whether requests have to carry a token."""
        return bool(self.trusts)
