# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The environment and volumes of a pod, from its spec, as a kubelet provides them."""

import base64
import decimal
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Mapping
from typing import Any, Protocol

from tests.lab import _objects

_BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9}
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class NotYetError(Exception):
    """An object that the pod references does not exist; a kubelet would wait for it."""


class Cluster(Protocol):
    """The source of referenced objects."""

    def config_map(self, namespace: str, name: str) -> _objects.Object | None:
        """Return a ConfigMap."""
        ...

    def secret(self, namespace: str, name: str) -> _objects.Object | None:
        """Return a Secret."""
        ...

    def token(self, namespace: str, service_account: str, audience: str | None) -> str:
        """Return a token of a ServiceAccount."""
        ...


def contents(pod: _objects.Object, volume: _objects.Object, cluster: Cluster) -> dict[str, bytes]:
    """Return the files of a volume by relative path; empty for an emptyDir.

    Raises:
        NotYetError: A ConfigMap or Secret that is not optional is missing.
    """
    if "projected" in volume:
        found: dict[str, bytes] = {}
        for source in _objects.sequence(volume, "projected", "sources"):
            found |= _source(pod, source, cluster)
        return found
    return _source(pod, volume, cluster)


def write(folder: pathlib.Path, files: Mapping[str, bytes]) -> None:
    """Make a folder hold exactly these files; all change in one step.

    Each file is a link through `..data`, which is replaced, as a kubelet does it: programs watch
    for that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "..data"
    previous = data.resolve() if data.is_symlink() else None
    if previous and _files(previous) == dict(files):
        return
    current = pathlib.Path(tempfile.mkdtemp(dir=folder, prefix="..version-"))
    current.chmod(0o755)
    for path, content in files.items():
        target = current / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    link = folder / "..data-next"
    link.symlink_to(current.name)
    link.rename(data)
    tops = {pathlib.PurePath(path).parts[0] for path in files}
    for top in tops:
        if not (folder / top).is_symlink():
            (folder / top).symlink_to(f"..data/{top}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()


def environment(
    pod: _objects.Object, container: _objects.Object, cluster: Cluster
) -> dict[str, str]:
    """Return the environment of a container, references expanded.

    Raises:
        NotYetError: A ConfigMap or Secret that is not optional is missing.
    """
    values: dict[str, str] = {}
    for source in _objects.sequence(container, "envFrom"):
        data = _referenced(pod, source, cluster)
        values |= {source.get("prefix", "") + key: text.decode() for key, text in data.items()}
    for variable in _objects.sequence(container, "env"):
        if "valueFrom" in variable:
            value = _value_from(pod, container, variable["valueFrom"], cluster)
            if value is not None:
                values[variable["name"]] = value
        else:
            values[variable["name"]] = expand(variable.get("value") or "", values)
    return values


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return a text with `$(NAME)` replaced; a reference to an unknown name stays."""
    return _REFERENCE.sub(lambda match: values.get(match[1], match[0]), text)


def _source(pod: _objects.Object, source: _objects.Object, cluster: Cluster) -> dict[str, bytes]:
    namespace = pod["metadata"]["namespace"]
    if "configMap" in source or "secret" in source:
        data = _referenced(pod, source, cluster)
        items = _objects.sequence(
            source, "configMap" if "configMap" in source else "secret", "items"
        )
        if not items:
            return data
        return {item["path"]: data[item["key"]] for item in items if item["key"] in data}
    if "serviceAccountToken" in source:
        request = source["serviceAccountToken"]
        account = pod["spec"].get("serviceAccountName") or "default"
        token = cluster.token(namespace, account, request.get("audience"))
        return {request["path"]: token.encode()}
    if "downwardAPI" in source:
        return {
            item["path"]: _field(pod, item["fieldRef"]["fieldPath"]).encode()
            for item in _objects.sequence(source, "downwardAPI", "items")
            if "fieldRef" in item
        }
    return {}


def _referenced(
    pod: _objects.Object, source: _objects.Object, cluster: Cluster
) -> dict[str, bytes]:
    namespace = pod["metadata"]["namespace"]
    is_secret = "secret" in source or "secretRef" in source
    reference: dict[str, Any] = {}
    for kind in ("configMap", "configMapRef", "secret", "secretRef"):
        reference = source.get(kind) or reference
    name = reference.get("name") or reference.get("secretName") or ""
    found = (cluster.secret if is_secret else cluster.config_map)(namespace, name)
    if found is None:
        if reference.get("optional"):
            return {}
        raise NotYetError(f'{"secret" if is_secret else "configmap"} "{name}" not found')
    if is_secret:
        return {
            key: base64.b64decode(value) for key, value in _objects.texts(found, "data").items()
        }
    texts = {key: value.encode() for key, value in _objects.texts(found, "data").items()}
    binary = _objects.texts(found, "binaryData")
    return texts | {key: base64.b64decode(value) for key, value in binary.items()}


def _value_from(
    pod: _objects.Object, container: _objects.Object, source: _objects.Object, cluster: Cluster
) -> str | None:
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return _resource(container, source["resourceFieldRef"])
    kind = "configMap" if "configMapKeyRef" in source else "secret"
    reference = _objects.mapping(source, f"{kind}KeyRef")
    value = _referenced(pod, {kind: reference}, cluster).get(reference.get("key", ""))
    return None if value is None else value.decode()


def _field(pod: _objects.Object, path: str) -> str:
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if keyed:
        return _objects.texts(pod, "metadata", keyed[1]).get(keyed[2], "")
    steps = path.split(".")
    if path in {"metadata.labels", "metadata.annotations"}:
        # Go's quoting, which is that of JSON for printable text.
        pairs = sorted(_objects.texts(pod, *steps).items())
        lines = [f"{key}={json.dumps(text, ensure_ascii=False)}" for key, text in pairs]
        return "\n".join(lines)
    value = _objects.mapping(pod, *steps[:-1]).get(steps[-1])
    return "" if value is None else str(value)


def _resource(container: _objects.Object, reference: _objects.Object) -> str:
    section, _, name = reference["resource"].partition(".")
    quantity = _objects.texts(container, "resources", section).get(name)
    if name == "cpu":
        # Without a limit a kubelet reports the capacity of the node, which is the machine's here.
        count = decimal.Decimal(os.cpu_count() or 1)
        amount = min(_number(quantity), count) if quantity else count
    else:
        amount = _number(quantity or "4Gi")
    ratio = amount / _number(reference.get("divisor") or "1")
    return str(int(ratio.to_integral_value(decimal.ROUND_CEILING)))


def _number(quantity: str) -> decimal.Decimal:
    text = str(quantity)
    if text.endswith("m"):
        return decimal.Decimal(text[:-1]) / 1000
    for suffix, factor in _BYTES.items():
        if text.endswith(suffix):
            return decimal.Decimal(text.removesuffix(suffix)) * int(factor)
    return decimal.Decimal(text)


def _files(folder: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
