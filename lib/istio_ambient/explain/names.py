# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How operators spell sources and destinations: applications, units, DNS names, URLs, accounts."""

import dataclasses
import difflib
import enum
import re
import urllib.parse
from collections.abc import Collection

from istio_ambient.values.text import printable
from istio_ambient.values.urls import DEFAULT_PORTS

LONGEST_NAME = 120
NO_CLIENT = "no client"
"""In place of a client, where there is none."""
_NEAREST = 3
_PRINCIPAL = re.compile(r"(?:spiffe://)?(?:[^/]+/)?ns/([^/]+)/sa/([^/]+)")
# Names of objects and values of labels (`app.kubernetes.io/name`): no other text is a name.
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?")
_KUBERNETES_USER = re.compile(r"system:serviceaccount:([^:/]+):([^:/]+)")


class UnknownNameError(ValueError):
    """A name that nothing has, or several objects have; the message lists the choices."""


class Kind(enum.StrEnum):
    """What a spelling says of the thing that it names."""

    ANY = "application"
    """An application, a Service, a pod or a service account."""
    POD = "pod"
    """A unit, or a pod as DNS names it."""
    ACCOUNT = "service account"


@dataclasses.dataclass(frozen=True)
class Name:
    """A name as an operator gave it."""

    namespace: str
    name: str
    kind: Kind = Kind.ANY


@dataclasses.dataclass(frozen=True)
class Url:
    """A URL as a client inside the cluster requests it."""

    target: str
    """The name of the host."""
    port: int
    path: str
    """With the query, if there is one."""
    host: str
    """The Host header."""


def read(text: str, model: str, namespaces: Collection[str]) -> Name:
    """Return the name that a text spells.

    Args:
        text: `app`, `model/app`, the unit `app/0`, `<service>.<namespace>[.svc.<domain>]`,
            `<pod>.<service>.<namespace>.svc.<domain>`, or a principal with `ns/…/sa/…`.
        model: the namespace of a name that has none.
        namespaces: those that exist.

    Raises:
        UnknownNameError: it is none of these, or there is no such namespace.
    """
    found = _principal(text) or _dns_name(text) or _path(text, model, namespaces)
    if found is None or not _NAME.fullmatch(found.name):
        shown = printable(text, LONGEST_NAME)
        raise UnknownNameError(
            f"{shown}: name an application, <model>/<application>, a unit, a pod, "
            "<service>.<namespace>, or ns/<namespace>/sa/<service account>"
        )
    if found.namespace not in namespaces:
        shown = printable(found.namespace, LONGEST_NAME)
        nearest = near(found.namespace, namespaces)
        raise UnknownNameError(f"there is no model {shown} in this cluster; {nearest}")
    return found


def _principal(text: str) -> Name | None:
    found = _PRINCIPAL.fullmatch(text) or _KUBERNETES_USER.fullmatch(text)
    return Name(found[1], found[2], Kind.ACCOUNT) if found else None


def _dns_name(text: str) -> Name | None:
    """Return what a DNS name of the cluster names: no name of an application has a dot."""
    labels = text.rstrip(".").split(".")
    if len(labels) == 1 or "/" in text:
        return None
    labels = labels[: labels.index("svc")] if "svc" in labels[1:] else labels
    match labels:
        case [name, namespace] if name and namespace:
            return Name(namespace, name)
        case [pod, service, namespace] if pod and service and namespace:
            return Name(namespace, pod, Kind.POD)
        case _:
            return None


def _path(text: str, model: str, namespaces: Collection[str]) -> Name | None:
    """Return what `app`, `model/app`, `app/0` or `model/app/0` names.

    An application's name begins with a letter, so a number after it is that of a unit.
    """
    parts = text.split("/")
    if not all(parts):
        return None
    match parts:
        case [app]:
            return Name(model, app)
        case [app, number] if number.isdecimal():
            return Name(model, f"{app}-{number}", Kind.POD)
        case [app, "leader"] if app not in namespaces:
            return Name(model, app)
        case [namespace, name]:
            return Name(namespace, name)
        case [namespace, app, number] if number.isdecimal():
            return Name(namespace, f"{app}-{number}", Kind.POD)
        case _:
            return None


def read_url(text: str) -> Url:
    """Return what a URL says about a request.

    Raises:
        UnknownNameError: it is no URL of HTTP.
    """
    message = (
        f"url: {printable(text, LONGEST_NAME)}: use http://<service>.<namespace>:<port>/<path>"
    )
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UnknownNameError(message) from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0:
        raise UnknownNameError(message)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    return Url(parts.hostname, port or DEFAULT_PORTS[parts.scheme], path, host)


def unknown(what: str, name: Name, known: Collection[str]) -> UnknownNameError:
    """Return the error for a name that nothing has.

    Args:
        what: the kind of thing that was looked for.
        name: as it was looked for.
        known: the names that exist there.
    """
    shown = printable(name.name, LONGEST_NAME)
    return UnknownNameError(
        f"there is no {what} {shown} in {name.namespace}; {near(name.name, known)}"
    )


def near(name: str, known: Collection[str]) -> str:
    """Return a question for the names that are nearest to a name."""
    if not known:
        return "there are none"

    def distance(each: str) -> tuple[float, str]:
        return -difflib.SequenceMatcher(None, each, name).ratio(), each

    *others, last = sorted(known, key=distance)[:_NEAREST]
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"
