# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A charm folder: its metadata, and its charm class under a module name of its own."""

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

import ops
import yaml

Role = Literal["provides", "requires", "peers"]
ROLES: tuple[Role, ...] = ("provides", "requires", "peers")
PORTS = {"bookshop": [9080]}
"""Ports of the charms in `examples/`, which have no hints for the lab."""


@dataclass(frozen=True)
class Endpoint:
    """One relation endpoint of a charm."""

    name: str
    interface: str
    role: Role
    limit: int | None = None
    """The number of relations that the charm allows on it; None: any number."""


@dataclass(frozen=True)
class Charm:
    """A charm: its metadata and its class."""

    root: Path
    """Folder with ``charmcraft.yaml`` and ``src/charm.py``."""
    type: type[ops.CharmBase]
    meta: Mapping[str, Any]
    """The content of ``charmcraft.yaml``."""

    @property
    def name(self) -> str:
        """The charm's name."""
        return str(self.meta["name"])

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """Every endpoint by name."""
        return {
            name: Endpoint(name, spec["interface"], role, spec.get("limit"))
            for role in ROLES
            for name, spec in self.meta.get(role, {}).items()
        }

    @property
    def containers(self) -> dict[str, str]:
        """The workload containers by name, each with its image."""
        resources = self.meta.get("resources", {})
        images = {name: spec.get("upstream-source") for name, spec in resources.items()}
        return {
            name: images.get(spec.get("resource")) or f"docker.io/lab/{name}"
            for name, spec in self.meta.get("containers", {}).items()
        }

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """The config options: type, default and description of each."""
        return self.meta.get("config", {}).get("options", {})

    @property
    def actions(self) -> dict[str, dict[str, Any]]:
        """The actions by name."""
        return self.meta.get("actions", {})

    @property
    def served_ports(self) -> dict[int, str]:
        """Ports on which the lab's echo application acts as the workload of this charm.

        Each with its protocol: http, https, h2c or grpc. From ``x-lab: {ports: [...]}`` in
        ``charmcraft.yaml``, all of them HTTP, or ``{ports: {9096: grpc}}``; the pods of a charm
        without it do not listen, except of those in `PORTS`.
        """
        ports: list[int] | dict[int, str]
        ports = self.meta.get("x-lab", {}).get("ports") or PORTS.get(self.name, [])
        return dict.fromkeys(ports, "http") if isinstance(ports, list) else dict(ports)


def load(root: Path) -> Charm:
    """Read a charm folder; every call executes the charm's module again.

    Raises:
        FileNotFoundError: there is no ``charmcraft.yaml`` or ``src/charm.py``.
        TypeError: the module has not exactly one charm class.
    """
    root = root.resolve()
    meta = cast(dict[str, Any], yaml.safe_load((root / "charmcraft.yaml").read_text()))
    module = _load_module(root)
    return Charm(root, _charm_class(module), meta)


def _load_module(root: Path) -> ModuleType:
    path = root / "src" / "charm.py"
    # Several charms have a module `charm`: each gets a name of its own.
    name = f"charm_{root.name.replace('-', '_')}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # As Juju's dispatch script does: the charm's own source and libraries are importable.
    added = [str(root / "src"), str((root / "lib").resolve())]
    before = set(sys.modules)
    sys.path[:0] = added
    try:
        spec.loader.exec_module(module)
    finally:
        for entry in added:
            sys.path.remove(entry)
        _forget_siblings(root / "src", before)
    return module


def _forget_siblings(src: Path, before: set[str]) -> None:
    """Let the next charm import its own module of the same name."""
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(src):
            del sys.modules[name]


def _charm_class(module: ModuleType) -> type[ops.CharmBase]:
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, ops.CharmBase) and member.__module__ == module.__name__
    ]
    found = [c for c in found if not any(c is not d and issubclass(d, c) for d in found)]
    if len(found) != 1:
        raise TypeError(f"{module.__file__}: one charm class expected, found {found}")
    return found[0]
