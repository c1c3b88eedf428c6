# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A fake cluster as the API server's REST API, in process, for the real client and transport.

What is sent and answered goes through JSON, status codes and headers as on the wire, so that
faults can be anything that a server, or a proxy before it, may answer; see `faults`. Time is a
number that pauses and timeouts add to: a hook that waits costs nothing, and how long it would have
taken is known.
"""

import contextlib
import dataclasses
import functools
import re
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, cast
from unittest import mock

import httpx2
import lightkube
import msgspec
from lightkube.config import client_adapter, kubeconfig
from lightkube.config.models import Cluster, User

from tests.unit.whole_charm.fake_cluster import FakeCluster, Key, Manifest

SERVER = "http://cluster.test"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
LATENCY = 0.005
"""Seconds that an answer takes."""

_TERM = re.compile(r"([^,=\s]+)(?:==?([^,]*)| in \(([^)]*)\))")
_PLURALS = {"Endpoints": "endpoints"}


@dataclasses.dataclass(frozen=True)
class Call:
    """One request as it is sent."""

    method: str
    path: str
    query: Mapping[str, str]

    @property
    def is_write(self) -> bool:
        """Whether it changes the cluster."""
        is_read = self.method == "GET" or self.path.endswith("/token") or self.path == "/version"
        return not is_read and "dryRun" not in self.query

    @property
    def plural(self) -> str:
        """The kind in its plural, in lower case, as the path has it."""
        return _route(self.path).plural

    @property
    def name(self) -> str:
        """The name of the object; empty: it is about many."""
        return _route(self.path).name

    @property
    def place(self) -> str:
        """What the same request has in common with its repetitions."""
        query = "&".join(f"{key}={value}" for key, value in sorted(self.query.items()))
        return f"{self.method} {self.path}?{query}"

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (" (dry run)" if "dryRun" in self.query else "")


MOST_CALLS = 1000
"""More than any hook sends; a charm that goes on is stopped."""


class Stopped(BaseException):
    """The charm's process ends here; nothing in it can catch this."""


Interference = Callable[[Call, httpx2.Request], httpx2.Response | None]
"""Return the answer to a call in the place of the API server, or raise; None: it answers."""


class HttpCluster(httpx2.BaseTransport):
    """Serves a fake cluster; each request is recorded before it is answered.

    Args:
        cluster: what is served.
        interfere: sees each call first.
    """

    def __init__(self, cluster: FakeCluster, interfere: Interference | None = None):
        self.cluster = cluster
        self.calls: list[Call] = []
        self.clock = Clock()
        self._interfere = interfere

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        call = Call(request.method, request.url.path, dict(request.url.params))
        self.calls.append(call)
        self.clock.now += LATENCY
        if len(self.calls) > MOST_CALLS:
            raise Stopped("requests without end")
        answer = self._interfere(call, request) if self._interfere else None
        if answer is not None:
            return answer
        return self.served(call, request)

    def served(self, call: Call, request: httpx2.Request) -> httpx2.Response:
        """Return the API server's answer."""
        if self.cluster.is_missing(lambda kind: plural_of(kind) == call.plural):
            # As an API server answers for a path that it does not serve.
            return httpx2.Response(404, text="404 page not found\n")
        try:
            return _answer(200, self._served(call, request))
        except lightkube.ApiError as error:
            return error.response

    def _served(self, call: Call, request: httpx2.Request) -> Manifest:
        if call.path == "/version":
            major, minor = self.cluster.version.split(".")
            return {"major": major, "minor": minor}
        route = _route(call.path)
        if route.subresource == "token":
            return self._token(route, _body(request))
        if not route.name and call.method == "GET":
            return self._listed(route, call.query)
        key, dry_run = self._key(route, request), "dryRun" in call.query
        if call.method == "GET":
            return self.cluster.existing(key)
        if call.method == "DELETE":
            return self._deleted(key, _body(request), dry_run=dry_run)
        return self._written(key, call, request, dry_run=dry_run)

    def _written(
        self, key: Key, call: Call, request: httpx2.Request, *, dry_run: bool
    ) -> Manifest:
        body = _body(request)
        current = self._find(key)
        if call.method == "POST":
            if current is not None:
                raise refusal(409, "AlreadyExists", f"{key[1]} {key[3]!r} already exists")
            # What a client creates has the same fate as what it applies.
            return self.cluster.applied(key, body, call.query["fieldManager"], dry_run=dry_run)
        _check(current, body["metadata"])
        if call.method == "PUT":
            return self.cluster.replaced(key, body, call.query["fieldManager"], dry_run=dry_run)
        content_type = request.headers["Content-Type"]
        if content_type == APPLY:
            if call.query.get("force") != "true":
                raise refusal(409, "Conflict", "another field manager owns fields")
            return self.cluster.applied(key, body, call.query["fieldManager"], dry_run=dry_run)
        if content_type == MERGE:
            return self.cluster.patched(key, body, dry_run=dry_run)
        raise refusal(415, "UnsupportedMediaType", content_type)

    def _deleted(self, key: Key, options: Manifest, *, dry_run: bool) -> Manifest:
        if not dry_run and "All" not in options.get("dryRun", ()):
            self.cluster.remove(key, options.get("preconditions") or {})
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _find(self, key: Key) -> Manifest | None:
        try:
            return self.cluster.existing(key)
        except lightkube.ApiError:
            return None

    def _key(self, route: "_Route", request: httpx2.Request) -> Key:
        """Return the key of one object, whose kind is that of the body or of what there is."""
        if request.method not in ("GET", "DELETE"):
            body = _body(request)
            name = route.name or body["metadata"]["name"]
            if "kind" in body:
                return route.version, body["kind"], route.namespace, name
        # A namespace is itself under the path of namespaces.
        found = self.cluster.keys(
            lambda key: (
                key[0] == route.version
                and plural_of(key[1]) == route.plural
                and key[2:] == (route.namespace, route.name)
            )
        )
        return found[0] if found else (route.version, route.plural, route.namespace, route.name)

    def _listed(self, route: "_Route", query: Mapping[str, str]) -> Manifest:
        found = self.cluster.selected(
            lambda key: (
                key[0] == route.version
                and plural_of(key[1]) == route.plural
                and route.namespace in ("", key[2])
            ),
            _selector(query.get("labelSelector", "")),
            cast(Mapping[str, str], _selector(query.get("fieldSelector", ""))),
        )
        limit, start = int(query.get("limit", 0)), int(query.get("continue", 0))
        end = start + limit if limit else len(found)
        metadata = {"resourceVersion": "1"}
        if end < len(found):
            metadata["continue"] = str(end)
        return {"kind": "List", "metadata": metadata, "items": list(found[start:end])}

    def _token(self, route: "_Route", body: Manifest) -> Manifest:
        status = {
            "token": f"{route.name} of {route.namespace}",
            "expirationTimestamp": "2026-06-01T00:10:00Z",
        }
        return {**body, "status": status}


class Clock:
    """A clock that only pauses and slow answers move."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the seconds, as `time.monotonic`."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, as `time.sleep`."""
        self.now += max(0.0, seconds)


@contextlib.contextmanager
def connected(cluster: HttpCluster) -> Generator[None]:
    """Let the engine's real client talk to this cluster, by its clock, while this lasts."""
    clock = cluster.clock

    class Event(threading.Event):
        """A pause of given length passes at once."""

        def wait(self, timeout: float | None = None) -> bool:
            if timeout is None:
                return super().wait()
            clock.sleep(timeout)
            return self.is_set()

    def from_env(*_: Any, **__: Any) -> kubeconfig.KubeConfig:
        return kubeconfig.KubeConfig.from_one(
            cluster=Cluster(server=SERVER), user=User(token="token"), namespace="charm"
        )

    def transport(*_: Any, **__: Any) -> HttpCluster:
        return cluster

    with (
        mock.patch.object(httpx2, "HTTPTransport", transport),
        mock.patch.object(kubeconfig.KubeConfig, "from_env", from_env),
        mock.patch.object(client_adapter, "verify_cluster", _verification),
        mock.patch.object(threading, "Event", Event),
        mock.patch.object(time, "monotonic", clock.monotonic),
        mock.patch.object(time, "sleep", clock.sleep),
    ):
        yield


@functools.cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _verification(*_: Any, **__: Any) -> ssl.SSLContext:
    return _context()


def plural_of(kind: str) -> str:
    """Return the plural of a kind in paths, such as `networkpolicies`."""
    name = kind.lower()
    if name.endswith("s"):
        return _PLURALS.get(kind, f"{name}es")
    return f"{name[:-1]}ies" if name.endswith("cy") else f"{name}s"


def status(code: int, reason: str, message: str) -> Manifest:
    """Return the body with which an API server refuses a request."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def refusal(code: int, reason: str, message: str) -> lightkube.ApiError:
    """Return the exception that stands for such an answer."""
    request = httpx2.Request("GET", SERVER)
    answer = _answer(code, status(code, reason, message), request)
    return lightkube.ApiError(request, answer)


@dataclasses.dataclass(frozen=True)
class _Route:
    version: str
    namespace: str
    plural: str
    name: str
    subresource: str


def _route(path: str) -> _Route:
    """Return what a path is about, see the concepts of the Kubernetes API: resource URIs."""
    parts = path.strip("/").split("/")
    version = parts[1] if parts[0] == "api" else "/".join(parts[1:3])
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    return _Route(version, namespace, plural, name, subresource)


def _selector(text: str) -> dict[str, Any]:
    """Return the value, or the set of values, by key."""
    found: dict[str, Any] = {}
    for key, equal, values in _TERM.findall(text):
        found[key] = equal or values.split(",")
    return found


def _check(current: Manifest | None, wanted: Manifest) -> None:
    """Refuse a write that is bound to another version of the object, or another object."""
    metadata: Manifest = current["metadata"] if current else wanted
    for key in ("uid", "resourceVersion"):
        if wanted.get(key, metadata.get(key)) != metadata.get(key):
            raise refusal(409, "Conflict", f"the precondition on {key} is not fulfilled")


def _body(request: httpx2.Request) -> Manifest:
    content = request.read()
    return msgspec.json.decode(content) if content else {}


def _answer(
    code: int, content: Manifest, request: httpx2.Request | None = None
) -> httpx2.Response:
    headers = {"Content-Type": "application/json"}
    return httpx2.Response(
        code, headers=headers, content=msgspec.json.encode(content), request=request
    )
