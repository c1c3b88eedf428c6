# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""A packed charm: its content, and the result of its ``dispatch``."""

import json
import os
import platform
import shutil
import stat
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    project.parent.name: project.parent
    for project in sorted(ROOT.glob("*/*/charmcraft.yaml"))
    if project.parts[-3] in ("charms", "examples")
}
"""The folder of each charm, by its name."""
HOST = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
# What Juju runs a charm as that says `charm-user: non-root`.
JUJU_USER = 170
HOOK_TOOL = Path(__file__).with_name("hook_tool.py")
# Loopback, with a port on which no process can listen.
NO_API_SERVER = "https://127.0.0.1:1"


def find(charm: str, architecture: str = HOST) -> Path:
    """Return the archive that ``make pack`` made of ``charm``."""
    archives = list((ROOT / "build").glob(f"{charm}_*-{architecture}.charm"))
    assert len(archives) == 1, f"tools/pack.py leaves one archive of {charm}, found {archives}"
    return archives[0]


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack ``archive`` as Juju does, file modes included."""
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            extracted = Path(opened.extract(entry, folder))
            mode = stat.S_IMODE(entry.external_attr >> 16)
            if not entry.is_dir():
                extracted.chmod(mode)
    return folder


@dataclass(frozen=True)
class Hook:
    """The result of one hook."""

    exit_status: int
    stderr: str
    calls: list[list[str]]
    """Name and arguments of every hook tool that was called, in order."""

    @property
    def log(self) -> str:
        """The complete log and output of the charm."""
        logged = [" ".join(call) for call in self.calls if call[0] == "juju-log"]
        return "\n".join([*logged, self.stderr])

    @property
    def status(self) -> tuple[str, str]:
        """The last unit status and its message."""
        *_, last = (call for call in self.calls if call[0] == "status-set")
        status, message = (word for word in last[1:] if not word.startswith("--"))
        return status, message


def _answers(charm: Path, unit: str) -> dict[str, Any]:
    config = yaml.safe_load((charm / "config.yaml").read_text())
    defaults = {key: option.get("default") for key, option in config["options"].items()}
    address = {"hostname": "", "address": "10.1.0.5", "value": "10.1.0.5", "cidr": "10.1.0.5/32"}
    goal = {"status": "active", "since": "2026-11-23 12:00:00Z"}
    return {
        "application-version-set": None,
        "config-get": {key: value for key, value in defaults.items() if value is not None},
        "goal-state": {"units": {unit: goal}, "relations": {}},
        "is-leader": True,
        "juju-log": None,
        "network-get": {
            "bind-addresses": [{"interface-name": "eth0", "addresses": [address]}],
            "egress-subnets": ["10.1.0.5/32"],
            "ingress-addresses": ["10.1.0.5"],
        },
        "relation-ids": [],
        "state-get": {},
        "state-set": None,
        "status-get": {"status": "unknown", "message": "", "status-data": {}},
        "status-set": None,
        "unit-get": "10.1.0.5",
    }


def dispatch(charm: Path, hook: str, folder: Path) -> Hook:
    """Run the unpacked ``charm``'s ``dispatch`` as Juju would, with no API server to be reached.

    The hook gets nothing of this process's environment, and runs as Juju's user where this process
    may change users. ``folder`` takes the hook tools' files.
    """
    application = yaml.safe_load((charm / "metadata.yaml").read_text())["name"]
    unit = f"{application}/0"
    answers = _answers(charm, unit)
    tools = folder / "bin"
    tools.mkdir(parents=True)
    tool = shutil.copy(HOOK_TOOL, folder)
    for name in answers:
        (tools / name).symlink_to(tool)
    (folder / "answers.json").write_text(json.dumps(answers))
    calls = folder / "calls.jsonl"
    calls.touch()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig()))
    user = JUJU_USER if os.geteuid() == 0 else None
    if user is not None:
        for path in (charm, *charm.rglob("*"), folder, *folder.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)
    finished = subprocess.run(
        [charm / "dispatch"],
        cwd=charm,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        env={
            "HOME": str(folder),
            "HOOK_TOOLS": str(folder),
            "JUJU_CHARM_DIR": str(charm),
            "JUJU_DISPATCH_PATH": f"hooks/{hook}",
            "JUJU_HOOK_NAME": hook,
            "JUJU_MODEL_NAME": "mesh",
            "JUJU_MODEL_UUID": "8d2c3f2e-5f0c-4d0e-8a53-0e6d7a3c9b11",
            "JUJU_UNIT_NAME": unit,
            "JUJU_VERSION": "3.6.8",
            "KUBECONFIG": str(kubeconfig),
            "LANG": "C.UTF-8",
            "PATH": f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Hook(
        exit_status=finished.returncode,
        stderr=finished.stdout + finished.stderr,
        calls=[json.loads(line) for line in calls.read_text().splitlines()],
    )


def _kubeconfig() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "none", "cluster": {"server": NO_API_SERVER}}],
        "users": [{"name": "none", "user": {"token": "none"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "current-context": "none",
    }
