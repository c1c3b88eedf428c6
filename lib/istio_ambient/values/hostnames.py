# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""DNS names and IP addresses: predicates, and field types of pydantic models."""

import ipaddress
import re
from typing import Annotated, TypeAlias

import pydantic

from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.validation import checked

MAX_HOSTNAME = 253
MAX_AUTHORITY = 255

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_AUTHORITY = re.compile(
    rf"(?=.{{1,{MAX_AUTHORITY}}}\Z)(\*|\*?[A-Za-z0-9._:\[\]-]+|[A-Za-z0-9._:\[\]-]+\*)"
)
_LABEL_REMEDY = "use at most 63 of a-z, 0-9 and '-', with '-' neither first nor last"
_AUTHORITY_REMEDY = "use a host name, with at most one '*', first or last in it"


def is_dns_label(text: str) -> bool:
    """Return whether this is a DNS label in lower case (RFC 1123): the name of a namespace."""
    return bool(_LABEL.fullmatch(text))


def is_dns_subdomain(text: str) -> bool:
    """Return whether this is a DNS subdomain as Kubernetes has it: the name of an object."""
    return bool(_SUBDOMAIN.fullmatch(text))


def is_ip(text: str) -> bool:
    """Return whether this is an IPv4 or IPv6 address, without zone."""
    try:
        return getattr(ipaddress.ip_address(text), "scope_id", None) is None
    except ValueError:
        return False


def is_hostname(text: str) -> bool:
    """Return whether this is a DNS name (RFC 1123), in lower case, that is not an IPv4 number."""
    labels = text.split(".")
    if len(text) > MAX_HOSTNAME or labels[-1].isdigit():
        return False
    return all(map(is_dns_label, labels))


def in_url(host: str) -> str:
    """Return a host in the notation of URLs: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _hostname(value: str) -> str:
    text = value.lower()
    if not (value.isascii() and is_hostname(text)):
        raise InvalidValueError("not a hostname", "use a DNS name, without port")
    return text


def _wildcard_hostname(value: str) -> str:
    wildcard = "*." if value.startswith("*.") else ""
    text = wildcard + _hostname(value.removeprefix("*."))
    if len(text) > MAX_HOSTNAME:
        raise InvalidValueError("not a hostname", "use a shorter one")
    return text


def service_host(value: str) -> str:
    """Return a `ServiceHost`.

    Raises:
        InvalidValueError: it is none.
    """
    namespace, slash, host = value.rpartition("/")
    is_host = len(host) <= MAX_HOSTNAME and all(map(is_dns_label, host.lower().split(".")))
    # `lower` makes the ASCII letter k of the Kelvin sign.
    if not (is_host and host.isascii()) or (slash and not is_dns_label(namespace)):
        raise InvalidValueError("not a host name", "use the full name of a Service")
    return value


DnsLabel: TypeAlias = Annotated[
    pydantic.StrictStr, checked(is_dns_label, "not a DNS label", _LABEL_REMEDY)
]
Hostname: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(_hostname)]
"""A DNS name; it becomes lower case."""
WildcardHostname: TypeAlias = Annotated[
    pydantic.StrictStr, pydantic.AfterValidator(_wildcard_hostname)
]
"""A `Hostname`, or `*.` and one."""
AuthorityPattern: TypeAlias = Annotated[
    pydantic.StrictStr, checked(_AUTHORITY.fullmatch, "not a host", _AUTHORITY_REMEDY)
]
"""A value of `:authority` in an AuthorizationPolicy: exact, prefix `x*`, suffix `*x`, or `*`."""
ServiceHost: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(service_host)]
"""`<host>` or `<namespace>/<host>`: the notation for a Service in Istio's extension providers."""
