# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""URLs that somebody else wrote and that the mesh is to send requests to."""

import ipaddress
import re
from dataclasses import dataclass
from urllib import parse

from istio_ambient.interfaces import _validation

MAX_URL = 2048
"""Characters of one URL: `maxLength` of Istio's CRD for `jwksUri`."""

_PORTS = {"http": 80, "https": 443}
# No quotes, backslashes or spaces: readers do not agree on what they mean in a URL.
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?@!$&()*+,;=%\[\]-]+")
_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
# A last label that begins with a digit is taken for part of an IPv4 address by some.
_NAME = re.compile(rf"({_LABEL}\.)*(?![0-9]){_LABEL}")


@dataclass(frozen=True)
class Url:
    """An absolute http or https URL, in its parts."""

    host: str
    """A DNS name, or an IP address without brackets."""
    port: int
    path: str
    query: str
    is_ip: bool


def split(text: str) -> Url:
    """Return the parts of a URL.

    Raises:
        pydantic_core.PydanticCustomError: it is none that a request can be sent to: another
            scheme, user and password in it, or a host that is neither DNS name nor IP address.
    """
    if len(text) > MAX_URL or not _URL.fullmatch(text):
        raise _validation.refused(
            "not an http or https URL", "use http://<host>[:<port>][/<path>]"
        )
    try:
        parts = parse.urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _validation.refused("not a URL", "use a port from 1 to 65535") from error
    if "@" in parts.netloc:
        raise _validation.refused("a URL with user or password", "leave them out")
    host = parts.hostname or ""
    is_ip = _is_ip(host)
    if not is_ip and (len(host) > 253 or not _NAME.fullmatch(host)):
        raise _validation.refused("a URL without a valid host", "use a DNS name or an IP address")
    if port == 0 or parts.netloc.endswith(":"):
        raise _validation.refused("not a URL", "use a port from 1 to 65535")
    return Url(host, port or _PORTS[parts.scheme], parts.path, parts.query, is_ip)


def _is_ip(host: str) -> bool:
    try:
        return getattr(ipaddress.ip_address(host), "scope_id", None) is None
    except ValueError:
        return False


def fetched(text: str) -> str:
    """Check a URL that the control plane itself fetches, with what it can reach and others cannot.

    Its own loopback interface and link-local addresses (a cloud's metadata service) are refused.

    Raises:
        pydantic_core.PydanticCustomError: it is no such URL.
    """
    url = split(text)
    if url.is_ip and _is_internal(ipaddress.ip_address(url.host)):
        raise _validation.refused("an address of the control plane's own", "use a public host")
    if not url.is_ip and url.host.lower().rpartition(".")[2] == "localhost":
        raise _validation.refused("an address of the control plane's own", "use a public host")
    return text


def _is_internal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
    )
