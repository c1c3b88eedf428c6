# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The processes and namespaces of a running lab, seen from outside, and what remains later."""

import dataclasses
import os
import pathlib
import typing

from tests.lab import _namespaces

_KINDS = ("ipc", "mnt", "net", "pid", "uts")


@dataclasses.dataclass(frozen=True)
class Footprint:
    """The processes and namespaces of one run."""

    run_id: str
    """The run's `LAB_RUN_ID`."""
    processes: frozenset[int]
    """Process ids, as seen from outside."""
    namespaces: frozenset[str]
    """Such as `net:[4026532281]`, without those of the observer."""

    @classmethod
    def of(cls, run_id: str) -> typing.Self:
        """Return the footprint of a live run; later its namespaces could not be identified."""
        processes = frozenset(pid for pid in _processes() if run_id == _run_id(pid))
        own = _namespaces_of(os.getpid())
        held = frozenset(name for pid in processes for name in _namespaces_of(pid))
        return cls(run_id, processes, held - own)

    def remains(self) -> list[str]:
        """Return what still exists: processes of the run, its namespaces, mounts of them."""
        found: list[str] = []
        for pid in _processes():
            held = _namespaces_of(pid) & self.namespaces
            if self.run_id == _run_id(pid) or held:
                found.append(f"process {pid} ({_read(pid, 'comm').strip()}) {sorted(held)}")
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        found += [f"mount of {name}" for name in sorted(self.namespaces) if name in mounts]
        if not _namespaces.inside() and str(_namespaces.RUNTIME) in mounts:
            found.append(f"mount of {_namespaces.RUNTIME}")
        return found


def _processes() -> list[int]:
    return [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()]


def _read(pid: int, name: str) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:  # It ended meanwhile.
        return ""


def _run_id(pid: int) -> str:
    prefix = f"{_namespaces.RUN_ID}="
    entries = _read(pid, "environ").split("\0")
    return next((entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix)), "")


def _namespaces_of(pid: int) -> frozenset[str]:
    found: set[str] = set()
    for kind in _KINDS:
        try:
            found.add(str(pathlib.Path(f"/proc/{pid}/ns/{kind}").readlink()))
        except OSError:  # It ended meanwhile.
            continue
    return frozenset(found)
