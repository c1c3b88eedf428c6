# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What counts as a DNS name or an IP address, for everybody who reads one."""

import ipaddress
import re

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def is_ip(text: str) -> bool:
    """Return whether this is an IPv4 or IPv6 address, without zone."""
    try:
        return getattr(ipaddress.ip_address(text), "scope_id", None) is None
    except ValueError:
        return False


def is_hostname(text: str) -> bool:
    """Return whether this is a DNS name (RFC 1123), in lower case, that is not an IPv4 number."""
    labels = text.split(".")
    if len(text) > 253 or labels[-1].isdigit():
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def in_url(host: str) -> str:
    """Return a host as it stands in a URL: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
