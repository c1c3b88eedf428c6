# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Pack the charms into ``build/`` with charmcraft, for every architecture, on this machine.

Each charm is staged under ``build/pack/<charm>-<architecture>``: its folder with links followed,
so that the shared library is a real folder; its locked dependencies, as wheels of that
architecture; and the bytecode of both. charmcraft then runs there in destructive mode. No code of
the charm or of its dependencies runs, so that a machine packs for another architecture.

On a machine that is not of the base named in ``charmcraft.yaml``, the staged copy names the base
of this machine; the committed file never changes. So the base of an archive always is that of the
interpreter that compiled it.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
STAGING = BUILD / "pack"
NOT_PACKED = ("__pycache__", "*.pyc", "*.charm", ".*", "terraform", "tests")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Every base that charms are packed for has a C library of this version or a newer one.
LIBC = "manylinux_2_34"
SIDE_BY_SIDE = 2
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


class PackError(Exception):
    """A charm could not be packed; the message names the charm and the log."""


@dataclass(frozen=True)
class Job:
    """One archive to make."""

    charm: Path
    """The charm's folder in the repository."""
    platform: str
    """The platform as the staged charmcraft.yaml names it, such as ``ubuntu@24.04:arm64``."""

    @property
    def architecture(self) -> str:
        """The architecture as Juju names it."""
        return self.platform.rpartition(":")[2]

    @property
    def name(self) -> str:
        """What distinguishes this archive from the others."""
        return f"{self.charm.name}-{self.architecture}"


def host_base() -> str:
    """Return the base of this machine as charmcraft writes it, such as ``ubuntu@24.04``."""
    release = platform.freedesktop_os_release()
    return f"{release['ID']}@{release['VERSION_ID']}"


def on_base(project: str, base: str) -> str:
    """Return charmcraft.yaml's text with ``base`` in the names of all its platforms.

    The text stays as it is where they have that base already.
    """
    document = yaml.safe_load(project)
    platforms: dict[str, Any] = document["platforms"]
    renamed = {f"{base}:{name.rpartition(':')[2]}": each for name, each in platforms.items()}
    if renamed == platforms:
        return project
    return json.dumps({**document, "platforms": renamed}, indent=2, ensure_ascii=False)


def jobs(charm: Path, base: str) -> list[Job]:
    """Return the archives that ``charm`` is packed into: one for each platform."""
    project = yaml.safe_load(on_base((charm / "charmcraft.yaml").read_text(), base))
    return [Job(charm, name) for name in project["platforms"]]


def with_absolute_links(text: str, folder: Path, source: str) -> str:
    """Return Markdown whose relative links are URLs of the files in the repository.

    Args:
        text: Markdown of a file in ``folder``.
        folder: where relative links start.
        source: URL of the repository.

    Raises:
        PackError: a link leads to no file of the repository.
    """

    def url(link: re.Match[str]) -> str:
        target = (folder / link[1]).resolve()
        if not target.exists() or not target.is_relative_to(ROOT):
            raise PackError(f"{folder.name}: README.md links to {link[1]}, which is no file")
        kind = "tree" if target.is_dir() else "blob"
        return f"{source}/{kind}/main/{target.relative_to(ROOT).as_posix()}"

    return LINK.sub(url, text)


def stage(job: Job, base: str) -> Path:
    """Copy the charm, its library, licence and README to a fresh folder, and return it."""
    staged = STAGING / job.name
    if staged.exists():
        shutil.rmtree(staged)
    shutil.copytree(job.charm, staged, ignore=shutil.ignore_patterns(*NOT_PACKED))
    shutil.copy(ROOT / "LICENSE", staged / "LICENSE")
    project = staged / "charmcraft.yaml"
    text = project.read_text()
    project.write_text(on_base(text, base))
    readme, source = staged / "README.md", yaml.safe_load(text)["links"]["source"]
    readme.write_text(with_absolute_links(readme.read_text(), job.charm, source))
    return staged


def requirements(charm: str) -> Path:
    """Return the lock file of a charm: its own, or the one that the charms share."""
    own = ROOT / "requirements" / f"{charm}.txt"
    return own if own.exists() else own.with_name("charm.txt")


def install_command(charm: str, site: Path, architecture: str, python: str) -> list[str]:
    """Return the command that puts the locked wheels for a platform into the folder ``site``."""
    command = ["uv", "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--target", str(site), "--python-version", python, "--link-mode", "copy"]
    command += ["--python-platform", f"{MACHINES[architecture]}-{LIBC}"]
    # Nothing is built from source: that would run code, and for this machine.
    command += ["--only-binary", ":all:", "--require-hashes"]
    return [*command, "--requirement", str(requirements(charm))]


def install(job: Job, staged: Path) -> None:
    """Put the locked dependencies into the virtual environment that ``dispatch`` expects."""
    site = staged / "venv" / "lib" / f"python{PYTHON}" / "site-packages"
    installed = subprocess.run(
        install_command(job.charm.name, site, job.architecture, PYTHON),
        env=environment(job),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if installed.returncode:
        raise PackError(f"{job.name}: dependencies: {installed.stderr.strip()}")
    (site / ".lock").unlink(missing_ok=True)
    for unused in [site / "bin", *site.rglob("tests")]:
        shutil.rmtree(unused, ignore_errors=True)
    # Where the interpreter of the base is, which `dispatch` links to.
    (staged / "venv" / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    )


def compile_bytecode(job: Job, staged: Path) -> None:
    """Compile all modules, so that the first hook of a pod need not.

    The bytecode holds a hash of its source: times differ after Juju has unpacked the archive.
    """
    folders = [path for name in ("lib", "src", "venv") if (path := staged / name).exists()]
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]
    compiled = subprocess.run(
        [*command, "-s", staged, *folders], stdout=subprocess.PIPE, text=True, check=False
    )
    if compiled.returncode:
        raise PackError(f"{job.name}: {compiled.stdout.strip()}")


def environment(job: Job) -> dict[str, str]:
    """Return the environment of uv and charmcraft; no state in it may change another archive."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    state = STAGING / "state" / job.name
    run = state / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(cache / "uv"),
        "XDG_CACHE_HOME": str(state / "cache"),
        "XDG_CONFIG_HOME": str(state / "config"),
        "XDG_DATA_HOME": str(state / "data"),
        "XDG_RUNTIME_DIR": str(run),
        "XDG_STATE_HOME": str(state / "state"),
    }
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | own


def run_charmcraft(job: Job, staged: Path, log: Path) -> None:
    """Run charmcraft in ``staged``, showing its steps and keeping all of its output in ``log``.

    Raises:
        PackError: charmcraft failed; the end of its output is on stderr.
    """
    command = ["charmcraft", "pack", "--destructive-mode", "--verbosity=verbose"]
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*command, "--platform", job.platform],
            cwd=staged,
            env=environment(job),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101  # stdout=PIPE
        for line in process.stdout:
            output.write(line)
            if line[0] not in " :" and "Logging execution" not in line:
                print(f"pack: {job.name}: {line.rstrip()[:79]}", flush=True)
    if process.returncode:
        print("".join(log.read_text().splitlines(keepends=True)[-40:]), file=sys.stderr)
        raise PackError(f"{job.name}: charmcraft failed, all it said is in {log}")


def pack(job: Job, base: str) -> Path:
    """Make one archive in ``build/``, and return it."""
    started = time.monotonic()
    staged = stage(job, base)
    install(job, staged)
    compile_bytecode(job, staged)
    run_charmcraft(job, staged, STAGING / f"{job.name}.log")
    made = list(staged.glob("*.charm"))
    if len(made) != 1:
        raise PackError(f"{job.name}: charmcraft made {len(made)} archives in {staged}")
    archive = made[0].replace(BUILD / made[0].name)
    shutil.rmtree(staged)
    size, seconds = archive.stat().st_size / 2**20, time.monotonic() - started
    print(f"pack: {archive.relative_to(ROOT)} {size:.1f} MB in {seconds:.0f} s", flush=True)
    return archive


def main(arguments: Sequence[str]) -> int:
    """Pack the charms named by their folders, or all in ``charms/`` and ``examples/``."""
    parser = argparse.ArgumentParser(description="Pack charms into build/.")
    parser.add_argument("charms", nargs="*", type=Path, help="charm folders; default: all")
    folders: list[Path] = parser.parse_args(arguments).charms or sorted(
        project.parent
        for parent in ("charms", "examples")
        for project in (ROOT / parent).glob("*/charmcraft.yaml")
    )
    STAGING.mkdir(parents=True, exist_ok=True)
    subprocess.run([ROOT / "tools" / "page_libraries"], check=True)
    base = host_base()
    for folder in folders:
        for stale in BUILD.glob(f"{folder.resolve().name}_*.charm"):
            stale.unlink()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        packed = [
            pool.submit(pack, job, base)
            for folder in folders
            for job in jobs(folder.resolve(), base)
        ]
        failures = [error for each in packed if (error := each.exception())]
    for failure in failures:
        if not isinstance(failure, PackError):
            raise failure
        print(f"pack: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
