# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A real ztunnel: for one pod (dedicated mode) with istio-cni's redirection, or for a node."""

import contextlib
import dataclasses
import os
import pathlib
import socket
from collections.abc import Generator
from typing import Protocol

from tests.lab import _namespaces, _network, _objects, _process, _volumes

REDIRECTION = "ambient.istio.io/redirection"
"""Annotation by which istio-cni reports that a pod's traffic passes ztunnel."""
BYPASS = "ambient.istio.io/bypass-inbound-capture"
"""Annotation by which istio-cni leaves what a pod receives in plain text to the pod."""
INBOUND_HBONE = 15008
CAPTURED_MARK = 0x1A7
"""Packets that a pod sends with this mark go to its ztunnel. istio-cni captures all but those that
ztunnel marks: the lab's own connections from within a pod are captured only if they ask for it."""

_INBOUND_PLAINTEXT = 15006
_OUTBOUND = 15001
_READINESS = 15021


@dataclasses.dataclass(frozen=True)
class Settings:
    """The connection of a ztunnel to its control plane."""

    program: pathlib.Path
    istiod_address: str
    """The address of istiod's Service."""
    root_namespace: str
    root_certificate: str
    """The mesh's root certificate in PEM."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """The identity of a ztunnel."""

    namespace: str
    pod: str
    account: str
    address: str


class Pod(_volumes.Cluster, Protocol):
    """The pod that the ztunnel belongs to."""

    folder: pathlib.Path
    logs: pathlib.Path
    namespace: str
    address: str

    @property
    def pod(self) -> _objects.Object:
        """The pod's current object."""
        ...


class Ztunnel:
    """Captures traffic to the pod's eth0 and enforces L4 policies, and marked traffic from it."""

    def __init__(self, pod: Pod, settings: Settings) -> None:
        self._pod = pod
        inbound = f'iifname "eth0" tcp dport != {INBOUND_HBONE} redirect to :{_INBOUND_PLAINTEXT}'
        if _objects.texts(pod.pod, "metadata", "annotations").get(BYPASS) == "true":
            inbound = ""
        # Before ztunnel starts: connections whose start conntrack has missed would break.
        _network.nft(
            f"""
            table ip ztunnel {{
              chain prerouting {{
                type nat hook prerouting priority dstnat;
                {inbound}
              }}
              chain output {{
                type nat hook output priority -100;
                meta mark {CAPTURED_MARK} meta l4proto tcp redirect to :{_OUTBOUND}
              }}
            }}
            """,
            pod.namespace,
        )
        metadata = pod.pod["metadata"]
        name = f"ztunnel_{metadata['namespace']}_{metadata['name']}"
        command = ["ip", "netns", "exec", pod.namespace, str(settings.program)]
        self._process = _process.Process(name, command, pod.logs, self._environment(settings))

    @property
    def alive(self) -> bool:
        """Whether the ztunnel runs."""
        return self._process.alive

    def ready(self) -> bool:
        """Return whether ztunnel's own readiness endpoint answers 200."""
        # From within the pod: traffic from the node is redirected.
        try:
            with _namespaces.socket_in(
                self._pod.namespace,
                lambda: socket.create_connection(("127.0.0.1", _READINESS), timeout=1),
            ) as connection:
                connection.sendall(b"GET /healthz/ready HTTP/1.0\r\n\r\n")
                return b" 200 " in connection.recv(64)
        except OSError:
            return False

    def stop(self) -> None:
        """Stop the ztunnel and remove the redirection."""
        self._process.kill()
        _network.nft("delete table ip ztunnel", self._pod.namespace)

    def _environment(self, settings: Settings) -> dict[str, str]:
        pod, metadata = self._pod, self._pod.pod["metadata"]
        namespace, account = metadata["namespace"], pod.pod["spec"]["serviceAccountName"]
        identity = Identity(namespace, metadata["name"], account, pod.address)
        return {
            **_environment(
                settings, identity, pod.token(namespace, account, "istio-ca"), pod.folder
            ),
            "PROXY_MODE": "dedicated",
            "PROXY_WORKLOAD_INFO": f"{namespace}/{metadata['name']}/{account}",
            "NODE_NAME": pod.pod["spec"]["nodeName"],
            "PROXY_CONFIG": '{"proxyMetadata":{"DNS_CAPTURE":"false"}}',
        }


@contextlib.contextmanager
def node_ztunnel(
    settings: Settings, identity: Identity, token: str, folder: pathlib.Path, logs: pathlib.Path
) -> Generator[str]:
    """Run ztunnel as on a node, in a network namespace of its own; yield the namespace's name.

    No istio-cni announces pods to it: connected to istiod, it waits for the first one.
    """
    namespace = f"node-{identity.pod}"
    folder.mkdir(parents=True, exist_ok=True)
    _network.join(namespace, identity.address)
    environment = {
        **_environment(settings, identity, token, folder),
        "PROXY_MODE": "shared",
        "INPOD_UDS": str(folder / "ztunnel.sock"),
        "NODE_NAME": identity.pod,
    }
    command = ["ip", "netns", "exec", namespace, str(settings.program)]
    process = _process.Process(namespace, command, logs, environment)
    try:
        yield namespace
    finally:
        process.kill()
        _network.leave(namespace)


def _environment(
    settings: Settings, identity: Identity, token: str, folder: pathlib.Path
) -> dict[str, str]:
    """Return the environment variables that every ztunnel here has."""
    token_file, root_file = folder / "ztunnel-token", folder / "ztunnel-root.pem"
    token_file.write_text(token)
    root_file.write_text(settings.root_certificate)
    istiod = f"https://{settings.istiod_address}:15012"
    host = f"istiod.{settings.root_namespace}.svc"
    return {
        "PATH": os.environ["PATH"],
        _namespaces.RUN_ID: os.environ[_namespaces.RUN_ID],
        "POD_NAME": identity.pod,
        "POD_NAMESPACE": identity.namespace,
        "SERVICE_ACCOUNT": identity.account,
        "INSTANCE_IP": identity.address,
        "CLUSTER_ID": "Kubernetes",
        "NETWORK": "",
        "TRUST_DOMAIN": "cluster.local",
        "XDS_ADDRESS": istiod,
        "ALT_XDS_HOSTNAME": host,
        "XDS_ROOT_CA": str(root_file),
        "CA_ADDRESS": istiod,
        "ALT_CA_HOSTNAME": host,
        "CA_ROOT_CA": str(root_file),
        "AUTH_TOKEN": str(token_file),
        "ENABLE_ORIG_SRC": "false",
        "IPV6_ENABLED": "false",
        "ZTUNNEL_WORKER_THREADS": "1",
        "AUTHZ_POLICY_INFO_LOGGING": "true",
        "RUST_LOG": "info",
    }
