# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""URLs and ports from outside, to which the mesh is to send requests."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias
from urllib import parse

import pydantic

from istio_ambient.values import hostnames
from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.validation import checked

MAX_URL = 2048
"""Characters of one URL: `maxLength` of Istio's CRD for `jwksUri`."""

_PORTS = {"http": 80, "https": 443}
_PORT_REMEDY = "use a port from 1 to 65535"
# No quotes, backslashes or spaces: readers do not agree on what they mean in a URL.
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?@!$&()*+,;=%\[\]-]+")


@dataclass(frozen=True)
class Url:
    """An absolute http or https URL, in its parts."""

    base: str
    """Scheme, host in lower case and, where the URL has one, port: `http://[::1]:80`."""
    host: str
    """A DNS name in lower case, or an IP address without brackets."""
    port: int
    """The port of the scheme where the URL has none."""
    path: str
    query: str

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address."""
        return hostnames.is_ip(self.host)


def split(text: str) -> Url:
    """Return the parts of a URL.

    Raises:
        InvalidValueError: no request can be sent to it: another scheme, a user or password, a
            fragment, or a host that is neither a DNS name nor an IP address.
    """
    if len(text) > MAX_URL or not _URL.fullmatch(text):
        raise InvalidValueError("not an http or https URL", "use http://<host>[:<port>][/<path>]")
    try:
        parts = parse.urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidValueError("not a URL", _PORT_REMEDY) from error
    if "@" in parts.netloc:
        raise InvalidValueError("a URL with user or password", "leave them out")
    host = parts.hostname or ""
    if not (hostnames.is_ip(host) or _is_name(host)):
        raise InvalidValueError("a URL without a valid host", "use a DNS name or an IP address")
    netloc = hostnames.in_url(host) + (f":{port}" if port is not None else "")
    if port == 0 or netloc != parts.netloc.lower():
        raise InvalidValueError("not a URL", _PORT_REMEDY)
    return Url(
        base=f"{parts.scheme}://{netloc}",
        host=host,
        port=port or _PORTS[parts.scheme],
        path=parts.path,
        query=parts.query,
    )


def _is_name(host: str) -> bool:
    # Some readers take a last label that begins with a digit for a part of an IPv4 address.
    return hostnames.is_hostname(host) and not host.rpartition(".")[2][0].isdigit()


def fetched(text: str) -> str:
    """Return a URL that the control plane may fetch from its place in the network.

    The control plane reaches more than the sender of the URL does. Its loopback interface and
    link-local addresses (the metadata service of a cloud) are therefore refused.

    Raises:
        InvalidValueError: as `split`, or the host is such an address.
    """
    url = split(text)
    if url.is_ip:
        is_internal = _is_internal(ipaddress.ip_address(url.host))
    else:
        is_internal = url.host.rpartition(".")[2] == "localhost"
    if is_internal:
        raise InvalidValueError("an address of the control plane's own", "use a public host")
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


def _decimal(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        return int(value)
    return value


Port: TypeAlias = Annotated[
    pydantic.StrictInt, checked(range(1, 65536).__contains__, "not a port", _PORT_REMEDY)
]
PortText: TypeAlias = Annotated[Port, pydantic.BeforeValidator(_decimal)]
"""A port, as a number or as a text of decimal digits."""
FetchedUrl: TypeAlias = Annotated[pydantic.StrictStr, pydantic.AfterValidator(fetched)]
