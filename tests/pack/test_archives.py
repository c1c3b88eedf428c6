# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The archives of ``make pack`` are complete, contain nothing else, and run."""

import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.pack import _archive

LIBRARY = _archive.ROOT / "lib"


@pytest.fixture(params=_archive.CHARMS)
def charm(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def archive(charm: str) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(_archive.find(charm)) as opened:
        yield opened


def source_files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]


def locked() -> set[tuple[str, str]]:
    """Return names and versions of the packages in requirements/charm.txt for this platform."""
    text = (_archive.ROOT / "requirements" / "charm.txt").read_text()
    lines = [line.rstrip("\\ ") for line in text.splitlines() if line[:1].isalnum()]
    requirements = [Requirement(line) for line in lines]
    return {
        (canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("=="))
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def same(archive: zipfile.ZipFile, folder: Path, name: str) -> bool:
    """Return whether ``name`` in the archive has exactly the content of ``folder``."""
    packed = {
        entry.filename: archive.read(entry)
        for entry in archive.infolist()
        if entry.filename.startswith(f"{name}/") and not entry.is_dir()
    }
    return packed == {
        f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in source_files(folder)
    }


def test_the_archive_contains_the_complete_library(archive: zipfile.ZipFile):
    assert {".py", ".j2", ".yaml"} <= {path.suffix for path in source_files(LIBRARY)}
    assert same(archive, LIBRARY, "lib")


def test_the_archive_contains_the_libraries_of_the_page_with_their_licences(
    archive: zipfile.ZipFile,
):
    folder = "lib/istio_ambient/explain/page/libraries"
    for library in ("cytoscape", "dagre"):
        assert len(archive.read(f"{folder}/{library}.min.js")) > 10_000
        assert b"Permission is hereby granted" in archive.read(f"{folder}/LICENSE.{library}")


def test_the_archive_contains_the_complete_charm(charm: str, archive: zipfile.ZipFile):
    folder = _archive.ROOT / "charms" / charm
    assert same(archive, folder / "src", "src")
    for name in ("README.md", "icon.svg"):
        assert archive.read(name) == (folder / name).read_bytes()
    assert archive.read("LICENSE") == (_archive.ROOT / "LICENSE").read_bytes()


def test_the_entry_points_are_executable(archive: zipfile.ZipFile):
    for name in ("dispatch", "src/charm.py"):
        assert archive.getinfo(name).external_attr >> 16 & stat.S_IXUSR, name


def test_metadata_is_that_of_the_project(charm: str, archive: zipfile.ZipFile):
    project = yaml.safe_load((_archive.ROOT / "charms" / charm / "charmcraft.yaml").read_text())
    metadata = yaml.safe_load(archive.read("metadata.yaml"))
    assert metadata["name"] == charm
    for section in ("assumes", "containers", "peers", "provides", "requires", "resources"):
        assert metadata.get(section) == project.get(section), section
    assert yaml.safe_load(archive.read("config.yaml")) == project["config"]
    assert yaml.safe_load(archive.read("manifest.yaml"))["bases"]


def test_dependencies_are_the_locked_ones_and_no_others(archive: zipfile.ZipFile):
    folders = {
        part
        for name in archive.namelist()
        for part in PurePosixPath(name).parts
        if part.endswith(".dist-info")
    }
    packed = [folder.removesuffix(".dist-info").split("-", 1) for folder in folders]
    assert {(canonicalize_name(name), version) for name, version in packed} == locked()


def test_the_archive_contains_no_other_files(archive: zipfile.ZipFile):
    own = [entry for entry in archive.infolist() if not entry.filename.startswith("venv/")]
    top = {PurePosixPath(entry.filename).parts[0] for entry in own}
    assert top <= {
        *("LICENSE", "README.md", "actions.yaml", "config.yaml", "dispatch", "icon.svg"),
        *("lib", "manifest.yaml", "metadata.yaml", "src"),
    }
    for entry in archive.infolist():
        assert not entry.filename.endswith(".pyc"), entry.filename
        assert not stat.S_ISLNK(entry.external_attr >> 16), entry.filename


def test_start_ends_in_a_status_where_there_is_no_api_server(charm: str, tmp_path: Path):
    unpacked = _archive.unpack(_archive.find(charm), tmp_path / "charm")
    hook = _archive.dispatch(unpacked, "start", tmp_path / "hook")
    assert hook.exit_status == 0, hook.log
    assert "Traceback" not in hook.log
    status, message = hook.status
    assert status in ("waiting", "blocked"), (status, message)
    assert message


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("venv/lib/python3.*/site-packages/lightkube", "No module named 'lightkube'"),
        ("lib/istio_ambient", "No module named 'istio_ambient'"),
    ],
)
def test_start_reports_a_missing_dependency(missing: str, message: str, tmp_path: Path):
    """The previous test reports a missing dependency, as a unit would."""
    unpacked = _archive.unpack(_archive.find("istio-k8s"), tmp_path / "charm")
    (folder,) = unpacked.glob(missing)
    shutil.rmtree(folder)
    hook = _archive.dispatch(unpacked, "start", tmp_path / "hook")
    assert hook.exit_status != 0
    assert message in hook.log
