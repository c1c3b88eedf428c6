# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The build of the lab's programs: what it says, what it keeps, and what it does again."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.lab import _build_progress

ROOT = pathlib.Path(__file__).parents[2]
MODULE_FILES = (
    "tools/packaging/common/envoy_bootstrap.json",
    "manifests/charts/base/Chart.yaml",
    "cni/pkg/metrics.go",
    "config/crd/standard/routes.yaml",
    "kustomize/stage/pod.yaml",
    "kustomize/crd/bases/stages.yaml",
)
# `go` with one module to download, and two packages of which the second is nine times as large.
GO = """#!/bin/sh
[ -z "$FAILING" ] || [ "$1" != "$FAILING" ] || { echo "$1: undefined: x" >&2; exit 1; }
case $1 in
env) echo go1.99.1 ;;
list)
    echo 'go: downloading example.com/shared v1.0.0' >&2
    for size in small large; do printf "example.com/$size\\t$SOURCES\\t[$size.go]\\n"; done
    ;;
build)
    while [ "$1" != -o ]; do shift; done
    printf 'example.com/small\\nexample.com/large\\n' >&2
    folder=$2; shift 2
    for package; do : >"$folder${package##*/}"; done
    ;;
mod) printf '{"Dir": "%s"}' "$SOURCES" ;;
esac
"""


@pytest.fixture
def sources(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with the sources of all modules, and `go` beside it."""
    folder = tmp_path / "sources"
    for name in MODULE_FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "small.go").write_bytes(bytes(72_000))
    (folder / "large.go").write_bytes(bytes(872_000))
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    return folder


def build(sources: pathlib.Path, failing: str = "") -> "subprocess.CompletedProcess[str]":
    """Build with the `go` beside the sources, into a cache beside them."""
    path = os.pathsep.join([str(sources.parent / "bin"), os.environ["PATH"]])
    given = {"PATH": path, "SOURCES": str(sources), "FAILING": failing}
    return subprocess.run(
        [sys.executable, "-m", "tests.lab.build"],
        cwd=ROOT,
        env={**os.environ, **given, "XDG_CACHE_HOME": str(sources.parent)},
        capture_output=True,
        text=True,
    )


def kept(sources: pathlib.Path) -> list[pathlib.Path]:
    """Return the folders in the lab's cache."""
    cache = sources.parent / "charmed-istio" / "lab"
    return [path for path in cache.iterdir() if path.is_dir()]


def test_a_build_says_what_it_does_and_how_far_it_is(sources: pathlib.Path):
    done = build(sources)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert "builds 12 programs from source" in said[0]
    assert said[2] == f"lab: {kept(sources)[0]}"
    assert "lab: sources of 2 packages are here, 1 modules downloaded" in said
    assert [line for line in said if line.startswith("lab: compiling")] == [
        "lab: compiling, 10 %, less than a minute left",
        "lab: compiling, 100 %, less than a minute left",
    ]


def test_a_build_is_kept_with_the_files_of_the_modules(sources: pathlib.Path):
    build(sources)
    (folder,) = kept(sources)
    names = {path.name for path in folder.iterdir()}
    assert {"etcd", "kube-apiserver", "kwok", "istiod", "pilot-agent", "complete"} < names
    assert (folder / "charts" / "base" / "Chart.yaml").read_text() == MODULE_FILES[1]
    again = build(sources, failing="build")
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.parametrize("failing", ["list", "build"])
def test_a_build_that_fails_shows_what_go_said_and_keeps_nothing(
    sources: pathlib.Path, failing: str
):
    done = build(sources, failing)
    assert done.returncode == 1
    assert f"{failing}: undefined: x" in done.stderr
    assert kept(sources) == []


def test_the_time_left_follows_the_size_of_the_sources():
    now = 0.0
    progress = _build_progress.Progress({"small": 72_000, "large": 872_000}, lambda: now)
    assert str(progress) == "0 %"
    progress.compile("small")
    now = 60.0
    assert str(progress) == "10 %, about 9 minutes left"
    progress.compile("not of this build")
    assert progress.percent == 10
    progress.compile("large")
    assert progress.percent == 100
