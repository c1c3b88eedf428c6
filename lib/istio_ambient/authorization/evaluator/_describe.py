# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Rules in words: `GET /health, /details/* on 9080`."""

from collections.abc import Callable, Iterable, Sequence

from istio_ambient.authorization.evaluator import _match, _policies
from istio_ambient.authorization.evaluator._policies import Check, Rule

EVERYBODY = "*"
IDENTIFIED = "*/*"
"""Everybody on the mesh: principal `*` is any identity, and a client outside has none."""
EVERYTHING = "everything"

_IDENTITY = (
    _policies.PRINCIPAL,
    _policies.SERVICE_ACCOUNT,
    _policies.NAMESPACE,
    _policies.TRUST_DOMAIN,
)
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
    """Return what a rule lets do, whoever asks; `everything` where it restricts nothing.

    Args:
        rule: the rule.
        wanted: which of its checks to speak of.
    """
    operations = [words for clause in rule.operations if (words := _clause(clause, wanted))]
    if len(operations) < len(rule.operations):
        operations = []  # One of the alternatives restricts nothing that is wanted.
    sources = [
        words
        for clause in rule.sources
        if (words := _clause([c for c in clause if c.attribute not in _IDENTITY], wanted))
    ]
    if len(sources) < len(rule.sources):
        sources = []
    parts = [
        "; ".join(sorted(operations)),
        " or ".join(sorted(sources)),
        _clause(rule.conditions, wanted),
    ]
    return " ".join(part for part in parts if part) or EVERYTHING


def sources(rule: Rule, namespace: str) -> list[str]:
    """Return who a rule is about: `shop/web`, `shop/*`, `*/*` for all on the mesh, `*` for all.

    Args:
        rule: the rule.
        namespace: that of its policy.
    """
    conditions = [check for check in rule.conditions if check.attribute in _IDENTITY]
    found = [
        who for clause in rule.sources or ((),) for who in _who([*clause, *conditions], namespace)
    ]
    return list(dict.fromkeys(found))


def short(principal: str) -> str:
    """Return `<namespace>/<service account>` of `<trust domain>/ns/<…>/sa/<…>`."""
    head, _, account = principal.partition("/sa/")
    return f"{head.rpartition('/')[2]}/{account}" if account else principal


def _who(clause: Iterable[Check], namespace: str) -> list[str]:
    who: list[str] = [EVERYBODY]
    barred: list[str] = []
    for check in clause:
        if check.attribute not in _IDENTITY:
            continue
        named = [_identity(check.attribute, value, namespace) for value in check.values]
        barred += [_identity(check.attribute, value, namespace) for value in check.not_values]
        if named and who == [EVERYBODY]:
            who = named
        elif named:
            who = [f"{one} as {' or '.join(named)}" for one in who]
    if not barred:
        return who
    return [f"{one} but not {', '.join(sorted(barred))}" for one in who]


def _identity(attribute: str, value: str, namespace: str) -> str:
    if attribute == _policies.SERVICE_ACCOUNT:
        return value if "/" in value else f"{namespace}/{value}"
    if attribute == _policies.NAMESPACE:
        return f"{value}/*"
    if attribute == _policies.TRUST_DOMAIN:
        return f"{value}/…"
    return IDENTIFIED if value == _match.ANY else short(value)


def _clause(clause: Sequence[Check], wanted: Filter) -> str:
    order = [*_WORDS]
    checks = sorted(
        (check for check in clause if wanted(check) and check.attribute not in _IDENTITY),
        key=lambda c: order.index(c.attribute) if c.attribute in order else len(order),
    )
    return " ".join(words for check in checks for words in _words(check))


def _words(check: Check) -> list[str]:
    lead = _WORDS.get(check.attribute)
    values, barred = ", ".join(check.values), ", ".join(check.not_values)
    if lead is None:
        said = [f"if {check.attribute} is {values}"] if values else []
        return said + ([f"if {check.attribute} is not {barred}"] if barred else [])
    said = [f"{lead}{values}"] if values else []
    return said + ([f"not {lead}{barred}"] if barred else [])
