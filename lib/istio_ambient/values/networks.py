# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Addresses that no URL of an application may lead to, from wherever it is fetched."""

import ipaddress
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
