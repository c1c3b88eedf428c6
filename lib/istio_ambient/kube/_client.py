# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The API client: lightkube's, with bounded retries, and decoders that threads may share."""

import dataclasses
import datetime
import logging
import re
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import httpx2
import lightkube
import msgspec
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.models import meta_v1
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.resources.core_v1 import ServiceAccountToken
from lightkube.types import PatchType

from istio_ambient.kube._objects import Manifest, Ref, Resource, ResourceType

logger = logging.getLogger(__name__)

RETRY_SECONDS = 6.0
"""How long one request is repeated, waits included."""

RETRIED_CODES = frozenset({429, 500, 502, 503, 504})


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

    def delete(self, res: ResourceType, name: str, *, namespace: str | None = None) -> None:
        """Delete one object."""


def connect() -> Client:
    """Return a client for the cluster that this process runs in, or that `KUBECONFIG` names.

    Raises:
        lightkube.ConfigError: neither names a cluster.
    """
    config = KubeConfig.from_env().get()
    if config is None:
        raise lightkube.ConfigError("no cluster to connect to")
    return cast(Client, lightkube.Client(config, transport=_transport(config)))


def server_version(client: Client) -> tuple[int, int] | None:
    """Return the API server's version, such as `(1, 32)`; None where it is unreadable.

    Raises:
        httpx2.HTTPError: on any answer but success.
    """
    config = cast(lightkube.Client, client).config
    parameters = client_adapter.ConnectionParams(transport=_transport(config))
    with client_adapter.Client(config, parameters) as http:
        answer: dict[str, str] = http.get("/version").raise_for_status().json()
    # Some distributions add a sign to the minor version: "32+".
    found = re.match(r"(\d+)\.(\d+)", f"{answer.get('major', '')}.{answer.get('minor', '')}")
    return (int(found[1]), int(found[2])) if found else None


@dataclasses.dataclass(frozen=True)
class Token:
    """A token of a ServiceAccount."""

    text: str
    made_at: datetime.datetime | None = None
    """By the clock of the API server, from which also the times in objects are; None: unknown."""


def request_token(client: Client, account: str, namespace: str, audience: str) -> Token:
    """Return a token of a ServiceAccount, valid for ten minutes: the shortest that there is.

    Raises:
        httpx2.HTTPError: on any answer but success; 404: there is no such account.
    """
    spec = TokenRequestSpec(audiences=[audience], expirationSeconds=600)
    wanted = ServiceAccountToken(metadata=meta_v1.ObjectMeta(), spec=spec)
    made = cast(lightkube.Client, client).create(wanted, account, namespace=namespace)
    if made.status is None:
        return Token("")
    text, ends = made.status.token or "", made.status.expirationTimestamp
    seconds = made.spec.expirationSeconds if made.spec else None
    if ends is None or ends.tzinfo is None or seconds is None:
        return Token(text)
    return Token(text, ends - datetime.timedelta(seconds=seconds))


def send_patch(
    client: Client,
    kind: ResourceType,
    ref: Ref,
    body: Manifest,
    field_manager: str,
    patch_type: PatchType = PatchType.MERGE,
    *,
    dry_run: bool = False,
) -> Resource:
    """Send a JSON merge patch (RFC 7386) or a forced server-side apply of one object.

    A dry run goes through admission, and nothing is kept of it.

    Raises:
        httpx2.HTTPError: on any answer but success.
    """
    return client.patch(
        kind,
        ref.name,
        body,
        patch_type=patch_type,
        field_manager=field_manager,
        force=patch_type is PatchType.APPLY,
        namespace=ref.namespace or None,
        dry_run=dry_run,
    )


def prepare_decoders(kinds: Iterable[ResourceType]) -> None:
    """Let msgspec learn kinds, in this thread, before other threads decode them.

    lightkube decodes with msgspec, which learns a type when it is first decoded. Two threads in
    which it learns types that share a part (every kind has ObjectMeta) crash the interpreter.
    Generic resources are plain dicts, and need nothing.
    """
    for kind in (meta_v1.Status, *kinds):
        if issubclass(kind, msgspec.Struct):
            msgspec.json.Decoder(kind)


def _transport(config: SingleConfig) -> "RetryTransport":
    verify: ssl.SSLContext = client_adapter.verify_cluster(
        config.cluster, config.user or User(), config.abs_file
    )
    limits = httpx2.Limits(max_connections=16, max_keepalive_connections=16)
    return RetryTransport(httpx2.HTTPTransport(verify=verify, limits=limits))


class RetryTransport(httpx2.BaseTransport):
    """Repeats a request for a few seconds while the API server is busy, down or silent.

    Every request of the engine may be repeated: reads, applies, deletions, and replacements
    bound to a resourceVersion.
    """

    def __init__(self, inner: httpx2.BaseTransport, seconds: float = RETRY_SECONDS):
        self._inner = inner
        self._seconds = seconds
        # Nothing sets the event: its wait() is a pause that a test can tell from time.sleep.
        self._pause = threading.Event()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request; return the last answer or raise the last error."""
        end = time.monotonic() + self._seconds
        delay = 0.2
        while True:
            answer = self._send(request)
            wait = delay
            if isinstance(answer, httpx2.Response):
                if answer.status_code not in RETRIED_CODES:
                    return answer
                wait = _retry_after(answer.headers, delay)
            if time.monotonic() + wait >= end:
                break
            logger.debug("trying again in %.1f s: %s %s", wait, request.method, request.url)
            if isinstance(answer, httpx2.Response):
                answer.close()
            self._pause.wait(wait)
            delay *= 2
        if isinstance(answer, httpx2.Response):
            return answer
        raise answer

    def _send(self, request: httpx2.Request) -> httpx2.Response | httpx2.TransportError:
        try:
            return self._inner.handle_request(request)
        except httpx2.TransportError as error:
            return error

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _retry_after(headers: Mapping[str, str], default: float) -> float:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3)."""
    try:
        return max(0.0, float(headers.get("Retry-After", default)))
    except ValueError:
        return default
