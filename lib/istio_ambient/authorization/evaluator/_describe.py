# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Rules as text: `GET /health, /details/* on 9080`."""

from collections.abc import Callable, Iterable, Sequence

from istio_ambient.authorization.evaluator import _match, _policies
from istio_ambient.authorization.evaluator._policies import Check, Clause, Rule

ANY_CLIENT = "*"
"""Any source, clients outside of the mesh included."""
ANY_IDENTITY = "*/*"
"""Any source on the mesh: principal `*` is any identity, and a client outside has none."""
ANY_OPERATION = "everything"
"""Part of the JSON of actions."""

IDENTITY = (
    _policies.PRINCIPAL,
    _policies.SERVICE_ACCOUNT,
    _policies.NAMESPACE,
    _policies.TRUST_DOMAIN,
)
"""Attributes that are about the identity of a source."""
_WORDS = {
    _policies.METHOD: "",
    _policies.PATH: "",
    _policies.PORT: "on ",
    _policies.HOST: "as ",
    _policies.SOURCE_IP: "from ",
    _policies.REMOTE_IP: "from client ",
}
Filter = Callable[[Check], bool]


def _all(check: Check) -> bool:
    return bool(check.attribute)


def restrictions(rule: Rule, wanted: Filter = _all) -> str:
    """Return the requests that a rule matches, without the source's identity.

    Args:
        rule: the rule.
        wanted: whether a check of the rule is described.

    Returns:
        `ANY_OPERATION` where no check that is wanted restricts the request.
    """
    conditions = _clause(rule.conditions, wanted)
    texts = [
        " ".join(part for part in (operation, source, conditions) if part)
        for operation in _alternatives(rule.operations, wanted)
        for source in _alternatives(rule.sources, wanted)
    ]
    return "; ".join(dict.fromkeys(texts)) or ANY_OPERATION


def _alternatives(clauses: Sequence[Clause], wanted: Filter) -> list[str]:
    """Return clauses as text, sorted; one empty text where one of them restricts nothing."""
    described = sorted({_clause(clause, wanted) for clause in clauses})
    return described if described and all(described) else [""]


def sources(rule: Rule, namespace: str) -> list[str]:
    """Return the sources of a rule: `shop/web`, `shop/*`, `ANY_IDENTITY` or `ANY_CLIENT`.

    Args:
        rule: the rule.
        namespace: of its policy.
    """
    conditions = [check for check in rule.conditions if check.attribute in IDENTITY]
    found = [
        source
        for clause in rule.sources or ((),)
        for source in _sources([*clause, *conditions], namespace)
    ]
    return list(dict.fromkeys(found))


def short(principal: str) -> str:
    """Return `<namespace>/<service account>` of a principal `<trust domain>/ns/<…>/sa/<…>`.

    Any other text is returned as it is.
    """
    head, _, account = principal.partition("/sa/")
    return f"{head.rpartition('/')[2]}/{account}" if account else principal


def _sources(clause: Iterable[Check], namespace: str) -> list[str]:
    sources: list[str] = [ANY_CLIENT]
    excluded: list[str] = []
    for check in clause:
        if check.attribute not in IDENTITY:
            continue
        named = [_identity(check.attribute, value, namespace) for value in check.values]
        excluded += [_identity(check.attribute, value, namespace) for value in check.not_values]
        if named and sources == [ANY_CLIENT]:
            sources = named
        elif named:
            sources = [f"{source} as {' or '.join(named)}" for source in sources]
    if not excluded:
        return sources
    return [f"{source} but not {', '.join(sorted(excluded))}" for source in sources]


def _identity(attribute: str, value: str, namespace: str) -> str:
    if attribute == _policies.SERVICE_ACCOUNT:
        return value if "/" in value else f"{namespace}/{value}"
    if attribute == _policies.NAMESPACE:
        return f"{value}/*"
    if attribute == _policies.TRUST_DOMAIN:
        return f"{value}/…"
    return ANY_IDENTITY if value == _match.ANY else short(value)


def _clause(clause: Sequence[Check], wanted: Filter) -> str:
    order = [*_WORDS]
    checks = sorted(
        (check for check in clause if wanted(check) and check.attribute not in IDENTITY),
        key=lambda c: order.index(c.attribute) if c.attribute in order else len(order),
    )
    return " ".join(words for check in checks for words in _words(check))


def _words(check: Check) -> list[str]:
    lead = _WORDS.get(check.attribute)
    values, excluded = ", ".join(check.values), ", ".join(check.not_values)
    if lead is None:
        required = f"if {check.attribute} is {values}"
        forbidden = f"if {check.attribute} is not {excluded}"
    else:
        required, forbidden = f"{lead}{values}", f"not {lead}{excluded}"
    return [text for text, given in ((required, values), (forbidden, excluded)) if given]
