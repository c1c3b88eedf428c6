# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istiod and Envoy say about certificate authorities, asked without a cluster."""

import contextlib
import dataclasses
import json
import pathlib
import socket
import ssl
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from tests.eventually import eventually
from tests.lab import _binaries, _process

_TYPES = "type.googleapis.com/envoy.extensions"
_FIRST_PORT = 31000


@dataclasses.dataclass(frozen=True)
class Workload:
    """What istiod gave a workload."""

    error: str
    """Why istiod exits, or a peer refuses the certificate; empty: none of these."""
    chain: str
    """The certificate and those of the authorities; empty with an error."""
    key: str


def workloads(authorities: Iterable[Mapping[str, str]]) -> list[Workload]:
    """Return what istiod signs with authorities: files of Secret `cacerts`, as text by name."""
    lines = _binaries.answers("meshcas", authorities)
    return [Workload(each["error"], each.get("chain", ""), each.get("key", "")) for each in lines]


def envoy_refusals(found: Sequence[tuple[Workload, str]]) -> list[str]:
    """Return why an Envoy with the identity of a workload refuses the same workload as a client.

    Args:
        found: workloads, each with the roots that its Envoy trusts.

    Returns:
        The error of each handshake; empty: there was none.
    """
    ports = range(_FIRST_PORT, _FIRST_PORT + len(found))
    listeners = [_listener(port, *each) for port, each in zip(ports, found, strict=True)]
    with tempfile.TemporaryDirectory() as name, _envoy(pathlib.Path(name), listeners):
        folder = pathlib.Path(name)
        return [
            _handshake(folder, port, each) for port, (each, _) in zip(ports, found, strict=True)
        ]


@contextlib.contextmanager
def _envoy(folder: pathlib.Path, listeners: list[dict[str, Any]]) -> Generator[None]:
    config = folder / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": listeners}}))
    options = ["--concurrency", "1", "-l", "error", "--disable-hot-restart"]
    envoy = _process.Process(
        "envoy", [str(_binaries.envoy()), "-c", str(config), *options], folder
    )

    def is_listening() -> bool:
        envoy.check()
        # Listeners start in their order.
        with contextlib.suppress(ConnectionError):
            socket.create_connection(("127.0.0.1", _FIRST_PORT + len(listeners) - 1)).close()
            return True
        return False

    try:
        eventually(is_listening)
        yield
    finally:
        envoy.kill()


def _listener(port: int, workload: Workload, roots: str) -> dict[str, Any]:
    identity = {
        "certificate_chain": {"inline_string": workload.chain},
        "private_key": {"inline_string": workload.key},
    }
    context = {
        "@type": f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_certificates": [identity],
            "validation_context": {"trusted_ca": {"inline_string": roots}},
        },
    }
    echo = {"@type": f"{_TYPES}.filters.network.echo.v3.Echo"}
    return {
        "name": str(port),
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {
                "filters": [{"name": "echo", "typed_config": echo}],
                "transport_socket": {"name": "tls", "typed_config": context},
            }
        ],
    }


def _handshake(folder: pathlib.Path, port: int, workload: Workload) -> str:
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text(workload.chain)
    key.write_text(workload.key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    # In TLS 1.3 the handshake ends before the server looks at the certificate.
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("DEFAULT@SECLEVEL=0")
    client.load_cert_chain(chain, key)
    try:
        with (
            socket.create_connection(("127.0.0.1", port)) as connection,
            client.wrap_socket(connection) as tls,
        ):
            tls.sendall(b"x")
            return "" if tls.recv(1) == b"x" else "no answer"
    except OSError as error:
        return repr(error)
