# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hostnames: what the listeners accept, and what published URLs begin with."""

import ipaddress
import re
from dataclasses import dataclass

from istio_ambient.ingress._facts import Config
from istio_ambient.problems import Problem

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Hosts:
    """The two hostnames that follow from configuration and load balancer."""

    listener: str = ""
    """Hostname of the listeners; empty: any. Never an IP address: Gateway API takes none."""
    public: str = ""
    """Host of published URLs, IPv6 addresses in brackets; empty: not known yet."""
    problems: tuple[Problem, ...] = ()
    tls: bool = False
    """What clients see is HTTPS."""

    @property
    def url(self) -> str:
        """What published URLs begin with; empty: not known yet."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.public}" if self.public else ""


def intersection(one: str, other: str) -> str:
    """Return the hostname that both stand for; empty: there is none.

    Either may begin with `*.`, which stands for one or more labels, or be empty, which stands
    for everything. See https://gateway-api.sigs.k8s.io/reference/spec/#httproutespec.
    """
    if not one or not other or one == other:
        return one or other
    for wide, narrow in ((one, other), (other, one)):
        if wide.startswith("*.") and narrow.endswith(wide[1:]):
            return narrow
    return ""


def hosts(config: Config, address: str) -> Hosts:
    """Return the hostnames to use.

    What is invalid is reported, and treated as if it were unset.

    Args:
        config: `external_hostname` and `listener-hostname`.
        address: what the load balancer gave the gateway, name or IP address; empty: nothing yet.
    """
    problems: list[Problem] = []
    external = config.external_hostname.strip().lower()
    if external and not (is_ip(external) or is_hostname(external)):
        problems.append(_problem("external_hostname", "use a DNS name or an IP address"))
        external = ""
    wanted = config.listener_hostname
    if wanted is not None and wanted.strip() and not is_listener_hostname(wanted.strip().lower()):
        cure = "use a DNS name, one that begins with '*.', or nothing"
        problems.append(_problem("listener-hostname", cure))
        wanted = None
    address = address.lower()
    public = external or address
    if wanted is not None:
        listener = wanted.strip().lower()
    else:
        listener = public if is_hostname(public) else ""
    return Hosts(listener, _in_url(public), tuple(problems))


def is_ip(text: str) -> bool:
    """Tell whether this is an IPv4 or IPv6 address, without zone."""
    try:
        return getattr(ipaddress.ip_address(text), "scope_id", None) is None
    except ValueError:
        return False


def is_hostname(text: str) -> bool:
    """Tell whether this is a DNS name in lower case (RFC 1123) that no URL takes for a number."""
    labels = text.split(".")
    if len(text) > 253 or labels[-1].isdigit():
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def is_listener_hostname(text: str) -> bool:
    """Tell whether Gateway API takes this as the hostname of a listener."""
    return is_hostname(text.removeprefix("*.")) and len(text) <= 253


def _in_url(host: str) -> str:
    if is_ip(host):
        return f"[{host}]" if ":" in host else host
    return host if is_hostname(host) else ""


def _problem(option: str, cure: str) -> Problem:
    return Problem("", "config", option, "not a valid hostname: the default is used", cure)
