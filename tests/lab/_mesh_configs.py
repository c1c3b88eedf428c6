# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istiod and Envoy say about configurations, asked without a cluster."""

import dataclasses
import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from tests.lab import _binaries

_TYPES = "type.googleapis.com/envoy.extensions"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What istiod says about one MeshConfig."""

    error: str
    """Empty: istiod takes it. Otherwise istiod takes nothing of it."""
    mesh: Mapping[str, Any]
    """The MeshConfig in force; empty with an error."""


def verdicts(texts: Iterable[str]) -> list[Verdict]:
    """Return what istiod's own parser and validator say about texts of ConfigMap `istio`."""
    lines = _binaries.answers("meshconfigs", texts)
    return [Verdict(line["error"], line.get("mesh", {})) for line in lines]


def envoy_refuses(resource: Mapping[str, Any]) -> str:
    """Return why Envoy does not start with a listener or cluster; empty: it does."""
    kind = "clusters" if "connect_timeout" in resource else "listeners"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"static_resources": {kind: [resource]}}, file)
        file.flush()
        command = [_binaries.envoy(), "--mode", "validate", "-l", "error", "-c", file.name]
        answer = subprocess.run(command, capture_output=True, text=True)
    return "" if answer.returncode == 0 else (answer.stderr + answer.stdout)[-1000:] or "refused"


def listener(formats: Iterable[str | Mapping[str, Any]]) -> dict[str, Any]:
    """Return a listener with a log of each of these formats: texts, and labels of JSON formats."""
    manager: dict[str, Any] = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
            }
        ],
        "access_log": [_access_log(each) for each in formats],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain: dict[str, Any] = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": "l", "address": address, "filter_chains": [chain]}


def tls_cluster(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cluster with parameters of TLS: `cipher_suites`, `ecdh_curves`."""
    context = {
        "@type": f"{_TYPES}.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"tls_params": parameters},
    }
    socket = {"name": "tls", "typed_config": context}
    return {"name": "c", "connect_timeout": "1s", "transport_socket": socket}


def _access_log(log_format: str | Mapping[str, Any]) -> dict[str, Any]:
    formatter = {"@type": f"{_TYPES}.formatter.req_without_query.v3.ReqWithoutQuery"}
    is_text = isinstance(log_format, str)
    source = {"text_format_source": {"inline_string": log_format}}
    return {
        "name": "file",
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/null",
            "log_format": {
                **(source if is_text else {"json_format": log_format}),
                "formatters": [{"name": "formatter", "typed_config": formatter}],
            },
        },
    }
