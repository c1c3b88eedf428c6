# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The API client: lightkube's, with our transport, and decoders that threads may share."""

import ssl
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import httpx2
import lightkube
import msgspec
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core import decoders
from lightkube.models import meta_v1
from lightkube.types import PatchType

from istio_ambient.kube import _faults
from istio_ambient.kube._objects import Manifest, Resource, ResourceType
from istio_ambient.kube._transport import RETRY_SECONDS, VERSION, RetryTransport


class Client(Protocol):
    """The part of lightkube's client that the engine and its callers use."""

    def get(self, res: ResourceType, name: str, *, namespace: str | None = None) -> Resource:
        """Read one object."""

    def list(
        self,
        res: ResourceType,
        *,
        namespace: str | None = None,
        chunk_size: int | None = None,
        labels: dict[str, str] | None = None,
        fields: dict[str, str] | None = None,
    ) -> Iterable[Resource]:
        """Read all objects of a kind; one request, unless chunked."""
        ...

    def patch(
        self,
        res: ResourceType,
        name: str,
        obj: Any,
        *,
        namespace: str | None = None,
        patch_type: PatchType = PatchType.STRATEGIC,
        field_manager: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> Resource:
        """Patch or apply one object."""

    def replace(
        self, obj: Resource, *, field_manager: str | None = None, dry_run: bool = False
    ) -> Resource:
        """Replace one object (PUT)."""

    def delete(
        self,
        res: ResourceType,
        name: str,
        *,
        namespace: str | None = None,
        preconditions: Manifest | None = None,
    ) -> None:
        """Delete one object.

        Args:
            res: the kind.
            name: of the object.
            namespace: of the object.
            preconditions: `uid` and `resourceVersion` that it must have, else 409.
        """

    def has_time(self, seconds: float) -> bool:
        """Return whether this many seconds are left for all requests of the hook."""
        ...

    def extend(self, seconds: float) -> None:
        """Leave this many seconds for what must not stay half done."""


class _Client(lightkube.Client):
    """lightkube's client, with deletions that are bound to a version."""

    def __init__(self, config: SingleConfig, transport: RetryTransport):
        super().__init__(config, transport=cast(Any, transport))
        self.has_time, self.extend = transport.has_time, transport.extend

    def delete(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        res: ResourceType,
        name: str,
        *,
        namespace: str | None = None,
        preconditions: Manifest | None = None,
    ) -> None:
        generic: Any = self._client
        request = generic.prepare_request("delete", res, None, name, namespace)
        options = {"apiVersion": "v1", "kind": "DeleteOptions"}
        request.data = {**options, "preconditions": preconditions or {}}
        answer = generic.send(generic.build_adapter_request(request))
        generic.handle_response("delete", answer, request)

    def version(self) -> dict[str, str]:
        """Return what the API server says of its version."""
        http: httpx2.Client = cast(Any, self._client)._client
        return http.get(VERSION).raise_for_status().json()

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """Return an answer of the API server that is text; bytes that are no UTF-8 are replaced.

        Args:
            path: one of `TEXTS`, each part of it quoted.
            query: parameters.
        """
        generic: Any = self._client
        http: httpx2.Client = generic._client
        answer = http.get(path, params=dict(query))
        generic.raise_for_status(answer)
        return answer.content.decode(errors="replace")


def connect(silence_seconds: float = RETRY_SECONDS) -> Client:
    """Return a client for the cluster that this process runs in, or that `KUBECONFIG` names.

    Its requests share one deadline, which begins now: a client is for one hook or action.

    Args:
        silence_seconds: how long each request is repeated while there is no answer.

    Raises:
        RequestError: neither names a cluster, or its certificates or token cannot be read.
    """

    def connected() -> Client:
        config = KubeConfig.from_env().get()
        if config is None:
            raise lightkube.ConfigError("no cluster to connect to")
        return cast(Client, _Client(config, transport_of(config, silence_seconds)))

    return _faults.attempt("connect to the cluster", connected)


_prepared: set[type[Any]] = set()
_preparing = threading.Lock()


def prepare_decoder(kind: ResourceType) -> None:
    """Let msgspec learn a kind, in one thread at a time, before an answer has it.

    lightkube decodes with msgspec, which learns a type when it is first decoded. Two threads in
    which it learns types that share a part crash the interpreter: every list has ListMetadata, and
    every object ObjectMeta, also that of a generic resource, which is a plain dict otherwise.
    """
    for each in (meta_v1.Status, meta_v1.ObjectMeta, decoders.ListMetadata, kind):
        if each not in _prepared and issubclass(each, msgspec.Struct):
            with _preparing:
                msgspec.json.Decoder(each)
                _prepared.add(each)


def transport_of(config: SingleConfig, silence_seconds: float) -> RetryTransport:
    """Return the transport for a cluster: with its certificates, and our repetitions."""
    verify: ssl.SSLContext = client_adapter.verify_cluster(
        config.cluster, config.user or User(), config.abs_file
    )
    limits = httpx2.Limits(max_connections=16, max_keepalive_connections=16)
    inner = httpx2.HTTPTransport(verify=verify, limits=limits)
    return RetryTransport(inner, silence_seconds=silence_seconds)
