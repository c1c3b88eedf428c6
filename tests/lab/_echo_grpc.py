# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The lab's application as a gRPC server: every method of every service echoes its request."""

import json
from collections.abc import Mapping
from concurrent import futures
from typing import Any, cast

import grpc

from tests.lab import _namespaces

# The package has no types.
_grpc = cast(Any, grpc)
_STOPPED_WITHIN = 5.0


class GrpcEcho:
    """A gRPC server in a pod; messages are JSON, so that nothing has to be compiled."""

    def __init__(self, namespace: str, address: str, port: int, identity: Mapping[str, str]):
        self._server = _grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        self._server.add_generic_rpc_handlers((_handlers(dict(identity)),))
        where = f"{address}:{port}"
        _namespaces.call_in(namespace, lambda: self._server.add_insecure_port(where))
        self._server.start()

    def stop(self) -> None:
        """Stop the server and close its connections."""
        self._server.stop(None).wait(_STOPPED_WITHIN)


def _handlers(identity: dict[str, str]) -> Any:
    class Handlers(_grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            def answer(request: bytes, context: Any) -> bytes:
                found = {
                    **identity,
                    "method": handler_call_details.method,
                    "metadata": {
                        str(key): str(value) for key, value in context.invocation_metadata()
                    },
                    "request": request.decode(),
                }
                return json.dumps(found).encode()

            return _grpc.unary_unary_rpc_method_handler(answer)

    return Handlers()
