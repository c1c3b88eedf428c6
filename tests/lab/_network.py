# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The lab's network: one node, a network namespace per real pod, and one for external clients.

A veth pair connects every pod to the node, which routes by address. There is no bridge, so all
traffic passes the node's netfilter hooks, where kube-proxy translates Service addresses to pod
addresses.
"""

import hashlib
import itertools
import pathlib
import subprocess
from collections.abc import Iterator

NODE_ADDRESS = "172.18.0.2"
CLIENT_ADDRESSES = ("172.18.1.10", "172.18.2.10")
"""More addresses of the node, for workloads that policies distinguish by source address."""
SERVICE_CIDR = "10.96.0.0/16"
POD_CIDR = "10.244.0.0/16"
KWOK_POD_CIDR = "10.244.0.0/17"
"""Addresses of simulated pods; no process listens there."""
LOAD_BALANCER_CIDR = "203.0.113.0/24"
OUTSIDE = "outside"
"""The network namespace of clients that are not in the cluster."""
OUTSIDE_ADDRESSES = ("192.0.2.10", "198.51.100.7")

GATEWAY = "169.254.1.1"
"""The node, as each pod has it for a default route: an address of the link to the pod."""
_MASQUERADE_MARK = 0x4000


def set_up_node() -> None:
    """Prepare this process's namespace as the node, and create the one of external clients."""
    for name, value in {
        "ip_forward": "1",
        "conf/all/rp_filter": "0",
        "conf/default/rp_filter": "0",
    }.items():
        pathlib.Path("/proc/sys/net/ipv4", name).write_text(value)
    _ip(
        "link set lo up",
        *(f"addr add {each}/32 dev lo" for each in (NODE_ADDRESS, *CLIENT_ADDRESSES)),
        # Packets of the node need a route before kube-proxy's rules apply to them.
        f"route add {SERVICE_CIDR} dev lo src {NODE_ADDRESS}",
        f"route add {LOAD_BALANCER_CIDR} dev lo src {NODE_ADDRESS}",
        # Connections to a simulated pod fail at once instead of timing out.
        f"route add unreachable {POD_CIDR}",
    )
    join(OUTSIDE, *OUTSIDE_ADDRESSES)
    keep_outside_addresses()


def tear_down_node() -> None:
    """Undo `set_up_node`, and remove the rules of kube-proxy and of the pods."""
    for namespace in subprocess.run(
        ["ip", "-o", "netns"], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        leave(namespace.split()[0])
    nft("flush ruleset")
    _ip(
        *(f"addr del {each}/32 dev lo" for each in (NODE_ADDRESS, *CLIENT_ADDRESSES)),
        f"route flush {SERVICE_CIDR}",
        f"route flush {LOAD_BALANCER_CIDR}",
        f"route flush {POD_CIDR}",
    )


def join(namespace: str, *addresses: str) -> None:
    """Create a network namespace with these addresses, and route the addresses to it."""
    # Interface names are at most 15 characters long.
    link = "v" + hashlib.sha256(namespace.encode()).hexdigest()[:12]
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    _ip(
        f"link add {link} type veth peer name eth0 netns {namespace}",
        f"addr add {GATEWAY}/32 dev {link}",
        f"link set {link} up",
        *(f"route add {address}/32 dev {link} src {NODE_ADDRESS}" for address in addresses),
    )
    _ip(
        "link set lo up",
        *(f"addr add {address}/32 dev eth0" for address in addresses),
        "link set eth0 up",
        f"route add {GATEWAY}/32 dev eth0 scope link",
        f"route add default via {GATEWAY} dev eth0 src {addresses[0]}",
        namespace=namespace,
    )


def leave(namespace: str) -> None:
    """Remove a namespace with its veth pair and routes."""
    subprocess.run(["ip", "netns", "delete", namespace], check=True)


def nft(rules: str, namespace: str | None = None) -> None:
    """Load netfilter rules, on the node or in a namespace."""
    prefix = ["ip", "netns", "exec", namespace] if namespace else []
    subprocess.run([*prefix, "nft", "-f", "-"], input=rules, text=True, check=True)


def pod_addresses() -> Iterator[str]:
    """Yield addresses for real pods, distinct from those of simulated pods."""
    for high, low in itertools.product(range(128, 256), range(1, 255)):
        yield f"10.244.{high}.{low}"


def keep_outside_addresses() -> None:
    """Let pods see the addresses of external clients, as behind a load balancer that keeps them.

    kube-proxy would masquerade external traffic, and policies about client addresses could not be
    tested: its mark is removed again.
    """
    addresses = ", ".join(OUTSIDE_ADDRESSES)
    unmarked = ~_MASQUERADE_MARK & 0xFFFFFFFF
    nft(
        f"""
        table ip lab {{
          chain forward {{
            type filter hook forward priority 0;
            ip saddr {{ {addresses} }} meta mark set meta mark and {unmarked:#x}
          }}
        }}
        """
    )


def masquerade_outside_addresses() -> None:
    """Let kube-proxy decide by each Service's traffic policy which client addresses pods see."""
    nft("delete table ip lab")


def _ip(*commands: str, namespace: str | None = None) -> None:
    selector = ["-n", namespace] if namespace else []
    subprocess.run(
        ["ip", *selector, "-batch", "-"], input="\n".join(commands), text=True, check=True
    )
