# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The decision of a proxy that looks at tokens before it looks at policies."""

import dataclasses
from collections.abc import Sequence

from istio_ambient.authorization.evaluator import _decide, _snapshot, _tokens
from istio_ambient.authorization.evaluator._policies import Policy
from istio_ambient.authorization.evaluator._snapshot import Manifest
from istio_ambient.authorization.evaluator._verdict import (
    Condition,
    Decision,
    Hop,
    PolicyRef,
    Reason,
)


def with_token(
    hop: Hop,
    applied: Sequence[Policy],
    rules: _decide.Rules,
    authentications: Sequence[Manifest],
) -> Hop:
    """Return the decision of a proxy that looks at tokens before it looks at policies."""
    seen = rules.attributes
    token = _tokens.token(authentications, seen.headers, seen.path)
    if token is _tokens.Token.ABSENT:
        return _decide.decide(hop, applied, rules)
    ref = _token_ref(authentications[0])
    if token is _tokens.Token.MALFORMED:
        # CUSTOM policies come before tokens, also those that are enforced as DENY.
        refs = [each.ref for each in applied]
        earlier = [each for each in applied if each.ref.action != each.action]
        denied = _decide.decide(hop, earlier, rules)
        if earlier and denied.decision is Decision.DENIED:
            ordered = tuple(sorted(refs, key=lambda each: each.order))
            return dataclasses.replace(denied, applied=ordered)
        return dataclasses.replace(
            hop,
            decision=Decision.DENIED,
            reason=Reason.UNAUTHORIZED,
            policy=ref,
            applied=tuple(sorted((ref, *refs), key=lambda each: each.order)),
        )
    attributes = dataclasses.replace(seen, token=None)
    decided = _decide.decide(hop, applied, dataclasses.replace(rules, attributes=attributes))
    decided = dataclasses.replace(decided, checks_token=True)
    if token is _tokens.Token.UNSPECIFIED or decided.decision is Decision.DENIED:
        return decided
    unless = (*decided.unless, Condition(ref, "if the token is not valid"))
    reason = Reason.UNAUTHORIZED if decided.decision is Decision.ALLOWED else decided.reason
    return dataclasses.replace(
        decided, decision=Decision.CONDITIONAL, reason=reason, unless=unless
    )


def _token_ref(authentication: Manifest) -> PolicyRef:
    where, name = _snapshot.key(authentication)
    return PolicyRef(
        where,
        name,
        action="DENY",
        metadata=authentication["metadata"],
        kind="RequestAuthentication",
    )
