# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hostnames: what the listeners accept, and what published URLs begin with."""

import urllib.parse
from dataclasses import dataclass

from istio_ambient.ingress.model import Config
from istio_ambient.values import hostnames
from istio_ambient.values.problems import Problem


@dataclass(frozen=True)
class Hosts:
    """What follows from configuration, load balancer and the ingress in front of this one."""

    listener: str = ""
    """Hostname of the listeners; empty: any. Never an IP address: Gateway API takes none."""
    public: str = ""
    """What published URLs go on with after the scheme: a host, IPv6 addresses in brackets, and
    port and path where an upstream ingress has them; empty: not known yet."""
    problems: tuple[Problem, ...] = ()
    tls: bool = False
    """What clients see is HTTPS."""
    names: tuple[str, ...] = ()
    """Hostnames and addresses that the gateway's own certificate is for, the first its subject."""

    @property
    def url(self) -> str:
        """What published URLs begin with; empty: not known yet."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.public}" if self.public else ""

    @property
    def known_by(self) -> frozenset[str]:
        """DNS names that clients know the gateway by, in front of it or behind."""
        public = urllib.parse.urlsplit(f"//{self.public}").hostname or ""
        return frozenset(filter(hostnames.is_hostname, (public, *self.names)))


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
    if external and not (hostnames.is_ip(external) or hostnames.is_hostname(external)):
        problems.append(_problem("external_hostname", "use a DNS name or an IP address"))
        external = ""
    wanted = config.listener_hostname
    if wanted is not None and wanted.strip() and not is_listener_hostname(wanted.strip().lower()):
        remedy = "use a DNS name, one that begins with '*.', or nothing"
        problems.append(_problem("listener-hostname", remedy))
        wanted = None
    address = address.lower()
    if address and not (hostnames.is_ip(address) or hostnames.is_hostname(address)):
        remedy = "set external_hostname"
        problems.append(Problem("", "load balancer", "", "its address is no DNS name", remedy))
        address = ""
    public = external or address
    if wanted is not None:
        listener = wanted.strip().lower()
    else:
        listener = public if hostnames.is_hostname(public) else ""
    # Where the listeners take requests for another name only, that is what clients know it by.
    names = tuple(dict.fromkeys(name for name in (public, listener) if name))
    return Hosts(listener, hostnames.in_url(public), tuple(problems), names=names)


def is_listener_hostname(text: str) -> bool:
    """Return whether Gateway API takes this as the hostname of a listener."""
    return hostnames.is_hostname(text.removeprefix("*.")) and len(text) <= 253


def _problem(option: str, remedy: str) -> Problem:
    return Problem("", "config", option, "not a valid hostname: the default is used", remedy)
