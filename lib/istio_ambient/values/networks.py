# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Networks in CIDR notation, and addresses that no URL of an application may lead to."""

import ipaddress
import re
from collections.abc import Iterable
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

FORBIDDEN_NETWORKS = (
    # This host, loopback, link-local with the metadata services of clouds, multicast, broadcast.
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
    # Metadata services of Alibaba Cloud, Azure, Oracle Cloud; AWS, Google Cloud.
    "100.100.100.200/32",
    "168.63.129.16/32",
    "192.0.0.192/32",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
    # IPv4 loopback and link-local behind NAT64 (RFC 6052).
    "64:ff9b::7f00:0/104",
    "64:ff9b::a9fe:0/112",
)
"""In CIDR notation. Private networks are not among them: identity providers run in the cluster."""

_NETWORKS = tuple(map(ipaddress.ip_network, FORBIDDEN_NETWORKS))
_PREFIX = r"[0-9]{1,3}"


def network(text: str) -> str | None:
    """Return a network or an address in canonical CIDR notation; None: the text is neither."""
    address, slash, prefix = text.partition("/")
    # ipaddress also reads masks such as 10.0.0.0/0.255.255.255, which Istio does not.
    if slash and not re.fullmatch(_PREFIX, prefix):
        return None
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        return None
    # Zones have a meaning on one host only; proxies never see mapped addresses as IPv6.
    if "%" in address or getattr(found.network_address, "ipv4_mapped", None) is not None:
        return None
    return str(found)


def has_every_address(networks: Iterable[str]) -> bool:
    """Return whether networks together have all addresses of IPv4 or of IPv6."""
    found = [ipaddress.ip_network(each) for each in networks]
    four = [each for each in found if isinstance(each, ipaddress.IPv4Network)]
    six = [each for each in found if isinstance(each, ipaddress.IPv6Network)]
    joined = (*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six))
    return any(each.prefixlen == 0 for each in joined)


def is_forbidden(address: Address) -> bool:
    """Return whether an address is in one of `FORBIDDEN_NETWORKS`.

    An IPv4 address inside an IPv6 address (mapped, compatible, 6to4) counts as itself.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and 1 < int(address) < 2**32:
            inner = ipaddress.IPv4Address(int(address))
        address = inner or address
    return any(address in network for network in _NETWORKS)
