# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Requests to the API server. Whatever one ends in, these functions raise `RequestError` only."""

import datetime
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, cast

import lightkube
import msgspec
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod, ServiceAccountToken
from lightkube.types import PatchType

from istio_ambient.kube import _faults
from istio_ambient.kube._client import Client, prepare_decoder
from istio_ambient.kube._faults import RequestError
from istio_ambient.kube._objects import (
    Manifest,
    Ref,
    Resource,
    ResourceType,
    is_namespaced,
    kind_of,
    manifest_of,
    ref_in,
    ref_of,
    type_of,
)

ALL_NAMESPACES = "*"
"""lightkube's notation for all namespaces."""
ABSENT = "1"
"""A resourceVersion that no object has by now. Apply creates an object with it that is absent,
and answers with a conflict where somebody has made one meanwhile."""


def read(client: Client, kind: ResourceType, name: str, namespace: str = "") -> Resource:
    """Read one object.

    Raises:
        RequestError: on any answer but this object; `is_absence`: there is none.
    """
    prepare_decoder(kind)
    ref = ref_in(kind, name, namespace)

    def request() -> Resource:
        return _checked(client.get(kind, name, namespace=namespace or None), ref)

    return _faults.attempt(f"read {ref}", request)


def list_kind(
    client: Client,
    kind: ResourceType,
    labels: dict[str, Any] | None = None,
    namespace: str | None = None,
    fields: dict[str, str] | None = None,
) -> list[Resource] | None:
    """LIST a kind in one request, in all namespaces unless one is given.

    Returns:
        The objects, or None where the API server does not serve the kind.

    Raises:
        RequestError: on any answer but success or 404.
    """
    prepare_decoder(kind)
    scope = (namespace or ALL_NAMESPACES) if is_namespaced(kind) else None

    def request() -> list[Resource]:
        found = list(client.list(kind, namespace=scope, labels=labels, fields=fields))
        return [_readable(obj) for obj in found]

    with _faults.absence_allowed():
        return _faults.attempt(f"list {kind_of(kind)}", request)
    return None


def first_of(client: Client, kind: ResourceType) -> Resource | None:
    """Return one object of a cluster-scoped kind, or None; the request is for one object only.

    Raises:
        RequestError: on any answer but success.
    """
    prepare_decoder(kind)

    def request() -> Resource | None:
        return next(map(_readable, client.list(kind, chunk_size=1)), None)

    return _faults.attempt(f"list {kind_of(kind)}", request)


def send_patch(
    client: Client,
    kind: ResourceType,
    ref: Ref,
    body: Manifest,
    field_manager: str,
    patch_type: PatchType = PatchType.MERGE,
    *,
    dry_run: bool = False,
    doing: str = "",
) -> Resource:
    """Send a JSON merge patch (RFC 7386) or a forced server-side apply of one object.

    A dry run goes through admission, and nothing is kept of it.

    Raises:
        RequestError: on any answer but the object.
    """
    prepare_decoder(kind)

    def request() -> Resource:
        answer = client.patch(
            kind,
            ref.name,
            body,
            patch_type=patch_type,
            field_manager=field_manager,
            force=patch_type is PatchType.APPLY,
            namespace=ref.namespace or None,
            dry_run=dry_run,
        )
        return _checked(answer, ref)

    return _faults.attempt(doing or f"change {ref}", request)


def refusal(client: Client, obj: Resource, field_manager: str) -> RequestError | None:
    """Return why the API server would refuse an object, by a dry run; None: it would not."""
    ref = ref_of(obj)
    doing = f"create {ref}"
    try:
        send_patch(
            client,
            type_of(obj),
            ref,
            manifest_of(obj),
            field_manager,
            PatchType.APPLY,
            dry_run=True,
            doing=doing,
        )
    except RequestError as error:
        return error
    return None


def replace(
    client: Client, obj: Resource, field_manager: str, *, dry_run: bool = False, doing: str = ""
) -> Resource:
    """PUT one object, bound to the resourceVersion that it has.

    Raises:
        RequestError: on any answer but the object.
    """
    prepare_decoder(type_of(obj))
    ref = ref_of(obj)

    def request() -> Resource:
        return _checked(client.replace(obj, field_manager=field_manager, dry_run=dry_run), ref)

    return _faults.attempt(doing or f"replace {ref}", request)


def delete(
    client: Client,
    kind: ResourceType,
    name: str,
    namespace: str = "",
    preconditions: Mapping[str, str] | None = None,
) -> None:
    """Delete one object; one that does not exist counts as deleted.

    Args:
        client: sends one request.
        kind: of the object.
        name: of the object.
        namespace: of the object.
        preconditions: its `uid` and `resourceVersion`; another object or version is a conflict.

    Raises:
        RequestError: on any answer but success or 404.
    """
    prepare_decoder(kind)
    doing = f"delete {ref_in(kind, name, namespace)}"
    more: dict[str, Any] = {"preconditions": dict(preconditions)} if preconditions else {}

    def request() -> None:
        client.delete(kind, name, namespace=namespace or None, **more)

    with _faults.absence_allowed():
        _faults.attempt(doing, request)


def server_version(client: Client) -> tuple[int, int] | None:
    """Return the API server's version, such as `(1, 32)`; None where it is unreadable.

    Raises:
        RequestError: on any answer but success.
    """

    def request() -> tuple[int, int] | None:
        answer: dict[str, str] = cast(Any, client).version()
        # Some distributions add a sign to the minor version: "32+".
        found = re.match(r"(\d+)\.(\d+)", f"{answer.get('major', '')}.{answer.get('minor', '')}")
        return (int(found[1]), int(found[2])) if found else None

    return _faults.attempt("read the version of the API server", request)


def read_log(
    client: Client,
    pod: Ref,
    container: str,
    *,
    since_seconds: int,
    tail_lines: int,
    limit_bytes: int,
) -> str:
    """Return the end of a container's log; lines end in a newline, the last one may be cut.

    The kubelet takes the last `tail_lines` lines that are new enough, and sends the first
    `limit_bytes` bytes of these.

    Raises:
        RequestError: on any answer but success; `is_absence`: there is no such pod.
    """
    query = {
        "container": container,
        "sinceSeconds": str(since_seconds),
        "tailLines": str(tail_lines),
        "limitBytes": str(limit_bytes),
    }
    return _text(client, pod, "log", query, f"read the log of {pod}")


def read_from_pod(client: Client, pod: Ref, port: int, path: str) -> str:
    """Return what a pod answers to a GET that the API server passes on to one of its ports.

    Args:
        client: sends one request.
        pod: the pod.
        port: at which the pod answers with HTTP.
        path: begins with a slash.

    Raises:
        RequestError: on any answer but success.
    """
    address = msgspec.structs.replace(pod, name=f"{pod.name}:{port}")
    return _text(client, address, f"proxy{path}", {}, f"read {path} of {pod}")


def _text(client: Client, pod: Ref, what: str, query: Mapping[str, str], doing: str) -> str:
    # A refusal is a Status.
    prepare_decoder(Pod)
    namespace, name = (urllib.parse.quote(each, safe=":") for each in (pod.namespace, pod.name))
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/{what}"

    def request() -> str:
        return cast(Any, client).text(path, query)

    return _faults.attempt(doing, request)


class Token(msgspec.Struct, frozen=True):
    """A token of a ServiceAccount."""

    text: str
    made_at: datetime.datetime | None = None
    """By the clock of the API server, from which also the times in objects are; None: unknown."""


def request_token(client: Client, account: str, namespace: str, audience: str) -> Token:
    """Return a token of a ServiceAccount, valid for ten minutes: the shortest that there is.

    Raises:
        RequestError: on any answer but success; `is_absence`: there is no such account.
    """
    prepare_decoder(ServiceAccountToken)
    spec = TokenRequestSpec(audiences=[audience], expirationSeconds=600)
    wanted = ServiceAccountToken(metadata=ObjectMeta(), spec=spec)

    def request() -> Token:
        made = cast(lightkube.Client, client).create(wanted, account, namespace=namespace)
        if made.status is None:
            return Token("")
        text, ends = made.status.token or "", made.status.expirationTimestamp
        seconds = made.spec.expirationSeconds if made.spec else None
        if ends is None or ends.tzinfo is None or seconds is None:
            return Token(text)
        return Token(text, ends - datetime.timedelta(seconds=seconds))

    return _faults.attempt(f"make a token of ServiceAccount {namespace}/{account}", request)


def _checked(answer: Resource, ref: Ref) -> Resource:
    """Return an answer that is the object asked for.

    Raises:
        ValueError: it is something else.
    """
    if _readable(answer).metadata.name != ref.name:
        raise ValueError(f"not {ref}")
    return answer


def _readable(answer: Resource) -> Resource:
    """Return an object whose parts have the types that Kubernetes gives them.

    lightkube checks kinds of Kubernetes itself; custom resources it takes as they come.

    Raises:
        ValueError: it has other types, or no name.
    """
    # This decodes the metadata of a custom resource.
    metadata: ObjectMeta | None = answer.metadata
    if metadata is None or not metadata.name:
        raise ValueError("no name")
    if isinstance(answer, dict):
        content = cast(dict[str, Any], answer)
        if any(not isinstance(content.get(part) or {}, dict) for part in ("spec", "status")):
            raise ValueError("no object")
    return cast(Resource, answer)
