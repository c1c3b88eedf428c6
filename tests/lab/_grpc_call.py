# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A gRPC call from the node, which looks to a gateway like a call from outside."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, cast

import grpc

# The package has no types.
_grpc = cast(Any, grpc)


@dataclasses.dataclass(frozen=True)
class Answer:
    """The result of a call."""

    code: str
    """Status code of gRPC: OK, UNIMPLEMENTED, UNAVAILABLE, PERMISSION_DENIED."""
    body: Mapping[str, Any]
    """The answer of the lab's application: app, pod, namespace, method, metadata, request."""
    details: str = ""


def grpc_call(
    target: str,
    method: str,
    *,
    authority: str = "",
    metadata: Mapping[str, str] | None = None,
    message: str = "",
    authorities: str = "",
    timeout: float = 5.0,
) -> Answer:
    """Call a method.

    Args:
        target: `<address>:<port>`.
        method: `/<service>/<method>`.
        authority: host of the call, whose certificate is expected; by default the target's.
        metadata: headers.
        message: the request, which the application repeats.
        authorities: trusted certificates in PEM; empty: without TLS.
        timeout: seconds.
    """
    options: list[tuple[str, str | int]] = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if authority:
        options.append(("grpc.default_authority", authority))
        options.append(("grpc.ssl_target_name_override", authority.partition(":")[0]))
    if authorities:
        credentials = _grpc.ssl_channel_credentials(authorities.encode())
        channel = _grpc.secure_channel(target, credentials, options=options)
    else:
        channel = _grpc.insecure_channel(target, options=options)
    with channel:
        call = channel.unary_unary(method)
        try:
            body = call(
                message.encode(), timeout=timeout, metadata=tuple((metadata or {}).items())
            )
        except grpc.RpcError as error:
            failed = cast(Any, error)
            return Answer(failed.code().name, {}, failed.details() or "")
    return Answer("OK", json.loads(body))
