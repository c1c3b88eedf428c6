# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Pack the charms into ``build/`` with charmcraft, on this machine.

Each charm is staged under ``build/pack/<charm>``: its folder with links followed, so that the
shared library is a real folder, and the locked requirements: those of its own name, or those that
the three charms share. charmcraft then runs there in
destructive mode. On a machine that is not the platform named in ``charmcraft.yaml``, the staged
copy names this machine; the committed file never changes.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
STAGING = BUILD / "pack"
NOT_PACKED = ("__pycache__", "*.pyc", "*.charm", ".*", "terraform", "tests")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class PackError(Exception):
    """A charm could not be packed; the message names the charm and the log."""


def host_platform() -> str:
    """Return this machine as charmcraft writes a platform, such as ``ubuntu@24.04:amd64``."""
    release = platform.freedesktop_os_release()
    machine = platform.machine()
    return f"{release['ID']}@{release['VERSION_ID']}:{ARCHITECTURES.get(machine, machine)}"


def on_platform(project: str, host: str) -> str:
    """Return charmcraft.yaml's text with ``host`` as its only platform.

    The text stays as it is where ``host`` is among its platforms already.
    """
    document = yaml.safe_load(project)
    if host in document["platforms"]:
        return project
    return json.dumps({**document, "platforms": {host: None}}, indent=2, ensure_ascii=False)


def stage(charm: Path, host: str) -> Path:
    """Copy ``charm``, library and requirements to a fresh folder, and return the folder."""
    staged = STAGING / charm.name
    if staged.exists():
        shutil.rmtree(staged)
    shutil.copytree(charm, staged, ignore=shutil.ignore_patterns(*NOT_PACKED))
    requirements = ROOT / "requirements" / f"{charm.name}.txt"
    shutil.copy(
        requirements if requirements.exists() else ROOT / "requirements" / "charm.txt",
        staged / "requirements.txt",
    )
    shutil.copy(ROOT / "LICENSE", staged / "LICENSE")
    project = staged / "charmcraft.yaml"
    project.write_text(on_platform(project.read_text(), host))
    return staged


def environment() -> dict[str, str]:
    """Return charmcraft's environment, in which no cache may change the next archive."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    state = STAGING / "state"
    run = state / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR") or str(cache / "pip"),
        "XDG_CACHE_HOME": str(state / "cache"),
        "XDG_CONFIG_HOME": str(state / "config"),
        "XDG_DATA_HOME": str(state / "data"),
        "XDG_RUNTIME_DIR": str(run),
        "XDG_STATE_HOME": str(state / "state"),
    }
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | own


def run_charmcraft(staged: Path, log: Path) -> None:
    """Run charmcraft in ``staged``, showing its steps and keeping all of its output in ``log``.

    Raises:
        PackError: charmcraft failed; the end of its output is on stderr.
    """
    command = ["charmcraft", "pack", "--destructive-mode", "--verbosity=verbose"]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command,
            cwd=staged,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101  # stdout=PIPE
        for line in process.stdout:
            output.write(line)
            if line[0] not in " :" and "Logging execution" not in line:
                print(f"pack: {staged.name}: {line.rstrip()[:79]}", flush=True)
    if process.returncode:
        print("".join(log.read_text().splitlines(keepends=True)[-40:]), file=sys.stderr)
        raise PackError(f"{staged.name}: charmcraft failed, all it said is in {log}")


def pack(charm: Path, host: str) -> Path:
    """Pack one charm and return the archive in ``build/``."""
    staged = stage(charm, host)
    run_charmcraft(staged, STAGING / f"{charm.name}.log")
    made = list(staged.glob("*.charm"))
    if len(made) != 1:
        raise PackError(f"{charm.name}: charmcraft made {len(made)} archives in {staged}")
    for stale in BUILD.glob(f"{charm.name}_*.charm"):
        stale.unlink()
    return made[0].replace(BUILD / made[0].name)


def main(arguments: Sequence[str]) -> int:
    """Pack the charms named by their folders, or all in ``charms/`` and ``examples/``."""
    parser = argparse.ArgumentParser(description="Pack charms into build/.")
    parser.add_argument("charms", nargs="*", type=Path, help="charm folders; default: all")
    folders = parser.parse_args(arguments).charms or sorted(
        project.parent
        for parent in ("charms", "examples")
        for project in (ROOT / parent).glob("*/charmcraft.yaml")
    )
    STAGING.mkdir(parents=True, exist_ok=True)
    subprocess.run([ROOT / "tools" / "page_libraries"], check=True)
    host = host_platform()
    for folder in folders:
        started = time.monotonic()
        try:
            archive = pack(folder.resolve(), host)
        except PackError as error:
            print(f"pack: {error}", file=sys.stderr)
            return 1
        seconds = time.monotonic() - started
        size = archive.stat().st_size / 2**20
        print(f"pack: {archive.relative_to(ROOT)} {size:.1f} MB in {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
