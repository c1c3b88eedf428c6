# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""A list of accesses, read as a person reads it: whether it says that a request is allowed."""

import dataclasses
import fnmatch
from collections.abc import Iterable, Sequence

from istio_ambient.authorization.evaluator import Access, Client, Decision

Truth = bool | None


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request, and who sends it."""

    identity: str | None
    is_gateway: bool
    destination: str
    """`<namespace>/<name>` of the Service or the application."""
    kind: str
    pod: str
    """Empty for a Service."""
    port: int
    method: str
    path: str


def decision(listed: Iterable[Access], asked: Asked) -> Decision:
    """Return what a list says of a request."""
    found = [_entry(access, asked) for access in about(listed, asked)]
    for each in (Decision.ALLOWED, Decision.CONDITIONAL):
        if each in found:
            return each
    return Decision.DENIED


def about(listed: Iterable[Access], asked: Asked) -> list[Access]:
    """Return the entries of a list that are about a request."""
    return [access for access in listed if _is_about(access, asked)]


def _is_about(access: Access, asked: Asked) -> bool:
    ports = access.ports and asked.port in access.ports
    others = not access.ports and asked.port not in access.other_than
    return (
        (access.destination, str(access.kind)) == (asked.destination, asked.kind)
        and (not access.pods or asked.pod in access.pods)
        and bool(ports or others)
        and _is_of(access, asked)
    )


def _is_of(access: Access, asked: Asked) -> bool:
    if access.client is Client.ANY:
        return not any(_covers(label, asked.identity) for label in access.excluded)
    if access.client is Client.OUTSIDE or asked.identity is None:
        return access.client is Client.OUTSIDE and asked.identity is None
    if asked.is_gateway != (access.client is Client.GATEWAY):
        return False
    covered = _covers(access.source, asked.identity)
    return covered and not any(_covers(label, asked.identity) for label in access.excluded)


def _covers(label: str, identity: str | None) -> bool:
    if identity is None:
        return False
    if label.startswith("*/sa/"):
        label = f"*/{label.removeprefix('*/sa/')}"
    return fnmatch.fnmatchcase(identity, label)


def _entry(access: Access, asked: Asked) -> Decision:
    allowed = _text(access.operations, asked)
    denied = _some([_unless(text, asked) for text in access.unless])
    if allowed is False or denied is True:
        return Decision.DENIED
    return Decision.CONDITIONAL if allowed is None or denied is None else Decision.ALLOWED


def _unless(text: str, asked: Asked) -> Truth:
    if text.startswith("at "):
        return None
    ask = ", if the external authorizer denies"
    if text.endswith(ask):
        return False if _text(text.removesuffix(ask), asked) is False else None
    return _text(text, asked)


def _text(text: str, asked: Asked) -> Truth:
    return text == "everything" or _some([_clause(each, asked) for each in text.split("; ")])


def _clause(text: str, asked: Asked) -> Truth:
    words = text.replace(", ", ",").split(" ")
    truths: list[Truth] = []
    while words:
        word = words.pop(0)
        negated = word == "not"
        word = words.pop(0) if negated else word
        if word == "if":
            _, _, value = words.pop(0), words.pop(0), words.pop(0)
            negated = value == "not"
            if negated:
                words.pop(0)
            truth: Truth = False  # The header is not sent.
        elif word == "from":
            words.pop(0)
            truth = None
        else:
            assert word.startswith(("/", "*")) or word.replace(",", "").isupper(), text
            actual = asked.path if word.startswith(("/", "*")) else asked.method
            truth = any(fnmatch.fnmatchcase(actual, each) for each in word.split(","))
        truths.append(None if truth is None else truth != negated)
    if False in truths:
        return False
    return None if None in truths else True


def _some(truths: Sequence[Truth]) -> Truth:
    return True if True in truths else None if None in truths else False
