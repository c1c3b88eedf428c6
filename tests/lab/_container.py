# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A container without an image: a program in a pod's network, with the pod's own files."""

import dataclasses
import os
import pathlib
import shlex
from collections.abc import Mapping, Sequence

from tests.lab import _binaries, _namespaces, _process

PROGRAMS = pathlib.PurePosixPath("/opt/lab")
"""The folder of the lab's programs inside the container."""
ENVOY = PROGRAMS / "envoy" / "envoy"
PILOT_AGENT = PROGRAMS / "istio" / "pilot-agent"
ISTIOD = PROGRAMS / "istio" / "istiod"

_SYSTEM_FOLDERS = ("usr", "bin", "sbin", "lib", "lib64")
_FILES = {
    "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
    "etc/group": b"root:x:0:\n",
    "etc/nsswitch.conf": b"hosts: files\n",
    "etc/resolv.conf": b"nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
}


@dataclasses.dataclass(frozen=True)
class Container:
    """The parts of a container."""

    name: str
    """Names its log file."""
    namespace: str
    """The network namespace of the container."""
    root: pathlib.Path
    """An empty folder for its file system."""
    mounts: Mapping[str, pathlib.Path]
    """Path within → folder."""
    files: Mapping[str, bytes]
    """Path within → content: files that an image would contain."""

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], logs: pathlib.Path
    ) -> _process.Process:
        """Run a program in the container."""
        self._lay_out()
        script = "\n".join(["set -e", *self._mount_commands(), 'exec chroot "$@"'])
        isolate = [
            "nsenter",
            f"--net={_namespaces.NETNS / self.namespace}",
            "unshare",
            "--mount",
            "--propagation=private",
        ]
        shell = ["/bin/sh", "-c", script, "sh", str(self.root), "/usr/bin/env", "-i"]
        variables = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/",
            _namespaces.RUN_ID: os.environ[_namespaces.RUN_ID],
            **environment,
        }
        settings = [f"{name}={value}" for name, value in variables.items()]
        return _process.Process(self.name, [*isolate, *shell, *settings, *command], logs)

    def _lay_out(self) -> None:
        for name in ("proc", "dev", "tmp", "etc", "run", "var", *self._program_folders()):
            (self.root / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (self.root / "tmp").chmod(0o1777)
        for name in _SYSTEM_FOLDERS:
            system, inner = pathlib.Path("/", name), self.root / name
            if system.is_symlink() and not inner.is_symlink():
                inner.symlink_to(system.readlink())
            elif system.is_dir() and not system.is_symlink():
                inner.mkdir(exist_ok=True)
        for mount in self.mounts:
            (self.root / mount.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for path, content in {**_FILES, **self.files}.items():
            target = self.root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        (self.root / "etc/hosts").touch()

    def _mount_commands(self) -> list[str]:
        binds = {f"/{name}": pathlib.Path("/", name) for name in ("proc", "dev")}
        for name in _SYSTEM_FOLDERS:
            if pathlib.Path("/", name).is_dir() and not pathlib.Path("/", name).is_symlink():
                binds[f"/{name}"] = pathlib.Path("/", name)
        binds |= self._program_folders()
        binds["/etc/hosts"] = _namespaces.RUNTIME / "hosts"
        # Outer paths first, so that a mount inside another is not covered by it.
        binds |= dict(sorted(self.mounts.items()))
        return [
            f"mount --rbind {shlex.quote(str(source))} {shlex.quote(f'{self.root}{inner}')}"
            for inner, source in binds.items()
        ]

    def _program_folders(self) -> dict[str, pathlib.Path]:
        return {
            str(PROGRAMS / "istio"): _binaries.folder(),
            str(PROGRAMS / "envoy"): _binaries.envoy().parent,
        }
