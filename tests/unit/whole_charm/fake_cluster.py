# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""An API server in memory: what charms use of lightkube's client, over a dictionary.

It serves every kind, keeps what is applied, merged, replaced or deleted, and records each request.
An apply replaces everything but the status. There is no admission, there are no defaults and no
controllers but one that accepts routes: a test gives the objects that these would make.
"""

import dataclasses
import datetime
import json
import marshal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import httpx2
import lightkube
from lightkube.core import resource as lightkube_resource
from lightkube.types import PatchType

from tests.unit.whole_charm.scenarios import merged

Manifest = dict[str, Any]
Key = tuple[str, str, str, str]
"""API version, kind, namespace (empty: cluster-wide), name."""

_ROUTES = ("HTTPRoute", "GRPCRoute")
CONTROLLER = "istio.io/gateway-controller"
"""The name with which istiod reports on routes."""
CREATED = "2026-01-01T00:00:00Z"
"""When everything in the cluster was made."""
NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
APPLIED = "2999-01-01T00:00:00Z"
"""When everything was applied: no controller is late with it."""


@dataclasses.dataclass(frozen=True)
class Request:
    """One request that changes the cluster."""

    verb: str
    """`apply`, `merge`, `replace` or `delete`."""
    kind: str
    namespace: str
    name: str
    body: Manifest = dataclasses.field(default_factory=dict[str, Any])


class FakeCluster:
    """Implements `istio_ambient.kube.Client`.

    Args:
        manifests: what is in the cluster, in JSON form with `apiVersion` and `kind`.
        version: of the API server.
        missing: kinds that it does not serve.
    """

    def __init__(
        self,
        manifests: Iterable[Manifest] = (),
        version: str = "1.34",
        missing: Iterable[str] = (),
    ):
        self.version = version
        self.now = NOW
        """The time by the API server's clock."""
        self.requests: list[Request] = []
        """Those that change the cluster."""
        self.reads: list[str] = []
        """The others: `get <Kind> <name>`, `list <Kind>[ in <namespace>][ where <field>=<value>]`.

        Labels are left out.
        """
        self.refuses: Callable[[Request], int] = lambda _: 0
        """Return the status with which a request that changes the cluster is refused; 0: none."""
        self.written: Callable[[], None] = lambda: None
        """Called after each change."""
        self._missing = frozenset(missing)
        self._objects: dict[Key, Manifest] = {}
        self._lock = threading.Lock()
        for manifest in manifests:
            self._put(_key_of(manifest), _copied(manifest))

    @property
    def manifests(self) -> dict[str, Manifest]:
        """Every object by `<kind> <namespace>/<name>`, or `<kind> <name>`, in order."""
        named = {_name(key): manifest for key, manifest in self._objects.items()}
        return {name: named[name] for name in sorted(named)}

    def get(self, res: Any, name: str, *, namespace: str | None = None) -> Any:
        """Return one object; raises `lightkube.ApiError` with 404 where there is none."""
        key = _key(res, name, namespace)
        self.reads.append(f"get {key[1]} {name}")
        return self._decode(res, self.existing(key))

    def list(
        self,
        res: Any,
        *,
        namespace: str | None = None,
        chunk_size: int | None = None,
        labels: Mapping[str, Any] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Iterable[Any]:
        """Return the objects of a kind that all of the selectors match, by name."""
        version, kind, _, _ = _key(res, "", namespace)
        if kind in self._missing:
            raise _error(404, kind)
        everywhere = namespace in (None, "*")
        where = "".join(f" where {path}={value}" for path, value in (fields or {}).items())
        self.reads.append(f"list {kind}{'' if everywhere else f' in {namespace}'}{where}")
        found = self.selected(
            lambda key: key[:2] == (version, kind) and (everywhere or key[2] == namespace),
            labels or {},
            fields or {},
        )
        return [self._decode(res, manifest) for manifest in found]

    def has_time(self, seconds: float) -> bool:
        return seconds >= 0

    def extend(self, seconds: float) -> None:
        pass

    def patch(
        self,
        res: Any,
        name: str,
        obj: Any,
        *,
        namespace: str | None = None,
        patch_type: PatchType = PatchType.STRATEGIC,
        field_manager: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> Any:
        """Apply or merge; an object that is not there is made by an apply only."""
        key = _key(res, name, namespace)
        body = _plain(obj)
        if patch_type is PatchType.APPLY:
            return self._decode(res, self.applied(key, body, field_manager, dry_run=dry_run))
        if patch_type is not PatchType.MERGE:
            raise NotImplementedError(patch_type)
        return self._decode(res, self.patched(key, body, dry_run=dry_run))

    def replace(self, obj: Any, *, field_manager: str | None = None, dry_run: bool = False) -> Any:
        """Put an object in the place of the one of its name."""
        kind = cast(Any, type(obj))
        key = _key(kind, obj.metadata.name, obj.metadata.namespace)
        return self._decode(kind, self.replaced(key, _plain(obj), field_manager, dry_run=dry_run))

    def delete(
        self,
        res: Any,
        name: str,
        *,
        namespace: str | None = None,
        preconditions: Mapping[str, str] | None = None,
    ) -> None:
        """Delete one object; raises `lightkube.ApiError` with 404 where there is none."""
        self.remove(_key(res, name, namespace), preconditions or {})

    # The same on keys and manifests, for those who come over HTTP.

    def existing(self, key: Key) -> Manifest:
        """Return one object; raises `lightkube.ApiError` with 404 where there is none."""
        if key not in self._objects:
            raise _error(404, _name(key))
        return self._objects[key]

    def is_missing(self, matches: Callable[[str], bool]) -> bool:
        """Return whether a kind is not served that is such a one."""
        return any(map(matches, self._missing))

    def keys(self, where: Callable[[Key], bool]) -> Sequence[Key]:
        """Return the keys of objects that are there and such."""
        with self._lock:
            return tuple(filter(where, self._objects))

    def selected(
        self, where: Callable[[Key], bool], labels: Mapping[str, Any], fields: Mapping[str, str]
    ) -> Sequence[Manifest]:
        """Return the objects that all of the selectors match, by name."""
        with self._lock:
            return [
                manifest
                for key, manifest in sorted(self._objects.items())
                if where(key) and _selected(manifest, labels, fields)
            ]

    def applied(
        self, key: Key, body: Manifest, manager: str | None, *, dry_run: bool = False
    ) -> Manifest:
        """Apply an object, which is made where it is not there; return it."""
        if dry_run:
            return {**self._objects.get(key, {}), **body}
        with self._lock:
            self._record("apply", key, body)
            return self._apply(key, body, manager)

    def patched(self, key: Key, body: Manifest, *, dry_run: bool = False) -> Manifest:
        """Merge a patch into an object that is there; return it."""
        if dry_run:
            return cast(Manifest, merged(self.existing(key), body))
        with self._lock:
            self._record("merge", key, body)
            return self._put(key, merged(self.existing(key), body))

    def replaced(
        self, key: Key, body: Manifest, manager: str | None, *, dry_run: bool = False
    ) -> Manifest:
        """Put an object in the place of the one that is there; return it."""
        if dry_run:
            return body
        with self._lock:
            self._record("replace", key, body)
            status = self.existing(key).get("status")
            kept = {} if status is None else {"status": status}
            metadata = {**body["metadata"], "managedFields": _written_by(manager, "Update")}
            return self._put(key, {**body, **kept, "metadata": metadata})

    def remove(self, key: Key, preconditions: Mapping[str, str]) -> None:
        """Delete an object that is there, in the version that the preconditions name."""
        with self._lock:
            metadata = self.existing(key)["metadata"]
            if any(metadata[field] != value for field, value in preconditions.items()):
                raise _error(409, f"{_name(key)} in this version")
            self._record("delete", key, {})
            del self._objects[key]
            self.written()

    def _record(self, verb: str, key: Key, body: Manifest) -> None:
        _, kind, namespace, name = key
        request = Request(verb, kind, namespace, name, _copied(body))
        code = self.refuses(request)
        if code:
            raise _error(code, f"{kind} {name} is refused:")
        self.requests.append(request)

    def _apply(self, key: Key, body: Manifest, manager: str | None) -> Manifest:
        before = self._objects.get(key, {})
        for field, value in before.get("metadata", {}).items():
            if field in ("uid", "resourceVersion") and body["metadata"].get(field, value) != value:
                raise _error(409, f"{key[1]} {key[3]} in this version")
        metadata: Manifest = {**before.get("metadata", {}), **body["metadata"]}
        metadata["managedFields"] = _written_by(manager, "Apply")
        status = {"status": before["status"]} if "status" in before else {}
        if key[1] in _ROUTES:
            status = {"status": {"parents": [_accepted(ref) for ref in _parents(body)]}}
        return self._put(key, {**body, **status, "metadata": metadata})

    def _put(self, key: Key, manifest: Manifest) -> Manifest:
        version, kind, _, name = key
        if kind in self._missing:
            raise _error(404, kind)
        served = {"uid": f"uid-{name}", "creationTimestamp": CREATED, "generation": 1}
        metadata = {**served, **manifest["metadata"], "resourceVersion": "2"}
        content = {**manifest, "apiVersion": version, "kind": kind, "metadata": metadata}
        self._objects[key] = content
        self.written()
        return content

    @staticmethod
    def _decode(res: Any, manifest: Manifest) -> Any:
        return res.from_dict(_copied(manifest))


def _written_by(manager: str | None, operation: str) -> Sequence[Manifest]:
    """Return the record that an API server keeps of who wrote an object."""
    fields: Manifest = {"f:spec": {}}
    return [
        {"manager": manager, "operation": operation, "time": APPLIED, "fieldsV1": fields},
    ]


def _parents(route: Manifest) -> list[Manifest]:
    return route.get("spec", {}).get("parentRefs", [])


def _accepted(parent: Manifest) -> Manifest:
    """Return what istiod says of a route at a parent: that it takes it."""
    condition = {"type": "Accepted", "status": "True", "reason": "Accepted"}
    conditions = [{**condition, "observedGeneration": 1}]
    return {"controllerName": CONTROLLER, "parentRef": parent, "conditions": conditions}


def _key(res: Any, name: str, namespace: str | None) -> Key:
    definition = lightkube_resource.api_info(res).resource
    where = (namespace or "") if issubclass(res, lightkube_resource.NamespacedResource) else ""
    return definition.api_version, definition.kind, where, name


def _key_of(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    where = metadata.get("namespace", "")
    return manifest["apiVersion"], manifest["kind"], where, metadata["name"]


def _name(key: Key) -> str:
    _, kind, namespace, name = key
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _copied(manifest: Manifest) -> Manifest:
    """Return a deep copy of plain values; `copy.deepcopy` takes a tenth of a charm's time."""
    return marshal.loads(marshal.dumps(manifest))  # noqa: S302 - what it wrote itself


def _plain(obj: Any) -> Manifest:
    """Return a body as it goes over the wire."""
    return json.loads(json.dumps(obj if isinstance(obj, dict) else obj.to_dict()))


def _selected(manifest: Manifest, labels: Mapping[str, Any], fields: Mapping[str, str]) -> bool:
    has: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    for key, wanted in labels.items():
        values = [wanted] if isinstance(wanted, str) else wanted
        if has.get(key) not in values:
            return False
    return all(_field(manifest, path) == value for path, value in fields.items())


def _field(manifest: Manifest, path: str) -> Any:
    value: Any = manifest
    for part in path.split("."):
        value = value.get(part, {})
    return value


def _error(code: int, what: str) -> lightkube.ApiError:
    request = httpx2.Request("GET", "http://cluster")
    body = {"kind": "Status", "code": code, "message": f"{what} not found"}
    return lightkube.ApiError(request, httpx2.Response(code, json=body, request=request))
