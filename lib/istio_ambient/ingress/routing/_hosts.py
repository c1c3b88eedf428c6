# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hostnames of the listeners and of the certificate, and the URLs that are published."""

import urllib.parse
from collections.abc import Mapping

import msgspec

from istio_ambient.ingress.model import NO_HOST_OPTIONS, Config, HostOptions
from istio_ambient.ingress.routing._addresses import Address
from istio_ambient.values import hostnames
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem
from istio_ambient.values.urls import DEFAULT_PORTS


class Hosts(msgspec.Struct, frozen=True):
    """The names of the gateway: from options, its address, and the ingress in front of it."""

    listener: str = ""
    """Hostname of the listeners; empty: any. Never an IP address: Gateway API allows none."""
    names: tuple[str, ...] = ()
    """Hostnames and addresses that the gateway's certificate is for, the first its subject."""
    direct: str = ""
    """Host of the gateway itself as it stands in URLs, IPv6 addresses in brackets; empty: not
    known yet."""
    node_ports: Mapping[int, int] = msgspec.field(default_factory=dict[int, int])
    """Ports at `direct` by port of the listener, where the two differ."""
    tls: bool = False
    """Clients see HTTPS."""
    public: str = ""
    """Published URLs after the scheme: a host, with port and path where there are any; empty: not
    known yet."""
    options: HostOptions = NO_HOST_OPTIONS
    """The options in use: where one cannot be read, the last one that could."""
    problems: tuple[Problem, ...] = ()

    @property
    def url(self) -> str:
        """The beginning of published URLs; empty: not known yet."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.public}" if self.public else ""

    @property
    def known_by(self) -> frozenset[str]:
        """DNS names that clients know the gateway by, in front of it or behind."""
        public = urllib.parse.urlsplit(f"//{self.public}").hostname or ""
        return frozenset(filter(hostnames.is_hostname, (public, *self.names)))

    def direct_url(self, scheme: str, port: int) -> str:
        """Return the beginning of URLs at a listener of the gateway itself; empty: not known."""
        number = self.node_ports.get(port, port)
        shown = "" if number == DEFAULT_PORTS[scheme] else f":{number}"
        return f"{scheme}://{self.direct}{shown}" if self.direct else ""


def hosts(
    config: Config,
    address: Address,
    in_use: HostOptions = NO_HOST_OPTIONS,
    *,
    tls: bool = False,
    upstream_url: str = "",
) -> Hosts:
    """Return the hostnames of the gateway.

    An invalid option is reported, and the last valid one is used; an invalid address is treated as
    if there were none. `external_hostname` is published as it is, without a port: the operator
    says that clients reach the gateway there.

    Args:
        config: `external_hostname` and `listener-hostname`.
        address: of the gateway's Service.
        in_use: the options that the gateway in the cluster uses.
        tls: whether the gateway serves HTTPS.
        upstream_url: of the ingress in front, which is published where there is one.
    """
    options, problems = _valid_options(config, in_use)
    external, wanted = options.external, options.listener
    assigned = address.host.lower()
    if assigned and not _is_host(assigned):
        message, remedy = "its address is no DNS name", "set external_hostname"
        problems.append(_problem(Code.ADDRESS_UNUSABLE, "load balancer", "", message, remedy))
        assigned = ""
    # Clients outside the cluster do not use the names that it has for a node or a Service.
    client_name = external or (assigned if address.balanced else "")
    default = client_name if hostnames.is_hostname(client_name) else ""
    direct = hostnames.in_url(external or assigned)
    node_ports = address.node_ports if not external else Address().node_ports
    port = DEFAULT_PORTS["https" if tls else "http"]
    number = node_ports.get(port, port)
    own = f"{direct}:{number}" if direct and number != port else direct
    scheme, _, upstream = upstream_url.partition("://")
    return Hosts(
        listener=default if wanted is None else wanted,
        # Where the listeners take another hostname only, clients know the gateway by that, too.
        names=tuple(dict.fromkeys(name for name in (external or assigned, wanted) if name)),
        direct=direct,
        node_ports=node_ports,
        tls=scheme == "https" if upstream else tls,
        public=upstream or own,
        options=options,
        problems=tuple(problems),
    )


def _valid_options(config: Config, in_use: HostOptions) -> tuple[HostOptions, list[Problem]]:
    """Return the options, with the last valid one in place of one that is invalid."""
    problems: list[Problem] = []
    external = config.external_hostname.strip().lower()
    if external and not _is_host(external):
        problems.append(_option_problem("external_hostname", "use a DNS name or an IP address"))
        external = in_use.external if _is_host(in_use.external) else ""
    wanted = config.listener_hostname
    wanted = wanted if wanted is None else wanted.strip().lower()
    if wanted and not is_listener_hostname(wanted):
        remedy = "use a DNS name, one that begins with '*.', or nothing"
        problems.append(_option_problem("listener-hostname", remedy))
        wanted = in_use.listener
        wanted = wanted if not wanted or is_listener_hostname(wanted) else None
    return HostOptions(external, wanted), problems


def _is_host(text: str) -> bool:
    return hostnames.is_ip(text) or hostnames.is_hostname(text)


def is_listener_hostname(text: str) -> bool:
    """Return whether Gateway API allows this as the hostname of a listener."""
    return hostnames.is_hostname(text.removeprefix("*.")) and len(text) <= 253


def intersection(one: str, other: str) -> str:
    """Return the hostname that both include; empty: they have none in common.

    Either may begin with `*.`, which stands for one or more labels, or be empty, which stands
    for any hostname. See https://gateway-api.sigs.k8s.io/reference/spec/#httproutespec.
    """
    if not one or not other or one == other:
        return one or other
    for wide, narrow in ((one, other), (other, one)):
        if wide.startswith("*.") and narrow.endswith(wide[1:]):
            return narrow
    return ""


def covers(wide: str, narrow: str) -> bool:
    """Return whether a hostname includes another; `*` includes all."""
    return wide == "*" or intersection(wide, narrow) == narrow


def _option_problem(option: str, remedy: str) -> Problem:
    message = "not a valid hostname: the last valid one stays"
    return _problem(Code.INVALID_OPTION, "config", option, message, remedy)


def _problem(code: Code, endpoint: str, field: str, message: str, remedy: str) -> Problem:
    return Problem("", endpoint, field, message=message, remedy=remedy, code=code)
