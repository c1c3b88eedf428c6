# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The archives of ``make pack`` are complete, contain nothing else, and run."""

import importlib.util
import re
import shutil
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.pack import _archive

LIBRARY = _archive.ROOT / "lib"
WITH_LIBRARY = [name for name, folder in _archive.FOLDERS.items() if (folder / "lib").exists()]
# The numbers of machines in the header of an ELF file.
ELF_MACHINES = {"amd64": 62, "arm64": 183}
CHECKED_HASH = 0b11


@pytest.fixture(params=_archive.FOLDERS)
def charm(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=ELF_MACHINES)
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def archive(charm: str, architecture: str) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(_archive.find(charm, architecture)) as opened:
        yield opened


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a user other than this process's can be given."""
    with tempfile.TemporaryDirectory(prefix="pack-") as created:
        path = Path(created)
        path.chmod(0o755)
        yield path


def project_of(charm: str) -> dict[str, Any]:
    return yaml.safe_load((_archive.FOLDERS[charm] / "charmcraft.yaml").read_text())


def source_files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]


def locked(charm: str, architecture: str) -> set[tuple[str, str]]:
    """Return names and versions of the locked packages of a charm on a platform."""
    requirements = _archive.ROOT / "requirements"
    lock = requirements / f"{charm}.txt"
    text = (lock if lock.exists() else requirements / "charm.txt").read_text()
    lines = [line.rstrip("\\ ") for line in text.splitlines() if line[:1].isalnum()]
    machine = {"platform_machine": {"amd64": "x86_64", "arm64": "aarch64"}[architecture]}
    return {
        (canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("=="))
        for requirement in map(Requirement, lines)
        if requirement.marker is None or requirement.marker.evaluate(machine)
    }


def contents(archive: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    """Return what ``name`` has in the archive, without bytecode."""
    return {
        entry.filename: archive.read(entry)
        for entry in archive.infolist()
        if entry.filename.startswith(f"{name}/") and not entry.filename.endswith(".pyc")
    }


def expected(folder: Path, name: str, without: list[str]) -> dict[str, bytes]:
    """Return what ``folder`` has, but not in ``without``, as the archive names it."""
    files = {
        f"{name}/{path.relative_to(folder).as_posix()}": path for path in source_files(folder)
    }
    return {
        packed: path.read_bytes()
        for packed, path in files.items()
        if not any(packed.startswith(f"{left_out}/") for left_out in without)
    }


def test_the_archive_contains_the_library_without_what_the_charm_leaves_out(
    charm: str, archive: zipfile.ZipFile
):
    staged = project_of(charm)["parts"]["charm"]["stage"]
    left_out = [path.removeprefix("-") for path in staged if path.startswith("-")]
    library = expected(LIBRARY, "lib", left_out) if charm in WITH_LIBRARY else {}
    packed = contents(archive, "lib")
    assert sorted(packed) == sorted(library)
    assert packed == library


def test_only_the_charm_with_the_page_of_accesses_contains_its_libraries(
    charm: str, archive: zipfile.ZipFile
):
    folder = "lib/istio_ambient/explain/page/libraries"
    if charm != "istio-beacon-k8s":
        assert not contents(archive, folder)
        return
    for library in ("cytoscape", "dagre"):
        assert len(archive.read(f"{folder}/{library}.min.js")) > 10_000
        assert b"Permission is hereby granted" in archive.read(f"{folder}/LICENSE.{library}")


def test_the_archive_contains_the_complete_charm(charm: str, archive: zipfile.ZipFile):
    folder = _archive.FOLDERS[charm]
    assert contents(archive, "src") == expected(folder / "src", "src", without=[])
    assert archive.read("icon.svg") == (folder / "icon.svg").read_bytes()
    assert archive.read("LICENSE") == (_archive.ROOT / "LICENSE").read_bytes()


def test_links_of_the_readme_lead_to_files_of_the_repository_from_everywhere(
    charm: str, archive: zipfile.ZipFile
):
    packed = archive.read("README.md").decode()
    links = re.findall(r"\]\(([^)#\s]*)", packed)
    assert links
    source = project_of(charm)["links"]["source"]
    for link in links:
        assert link.startswith("https://"), link
        if link.startswith(f"{source}/blob/main/"):
            assert (_archive.ROOT / link.removeprefix(f"{source}/blob/main/")).is_file(), link
    # Nothing but links is another text.
    text = re.compile(r"\]\([^)]*\)")
    source_text = (_archive.FOLDERS[charm] / "README.md").read_text()
    assert text.sub("]()", packed) == text.sub("]()", source_text)


def test_the_entry_points_are_executable(archive: zipfile.ZipFile):
    for name in ("dispatch", "src/charm.py"):
        assert archive.getinfo(name).external_attr >> 16 & stat.S_IXUSR, name


def test_metadata_is_that_of_the_project(charm: str, archive: zipfile.ZipFile):
    project = project_of(charm)
    metadata = yaml.safe_load(archive.read("metadata.yaml"))
    assert metadata["name"] == charm
    for section in (
        *("assumes", "charm-user", "containers", "peers", "provides", "requires", "resources"),
    ):
        assert metadata.get(section) == project.get(section), section
    links = project["links"]
    assert metadata["maintainers"] == [links["contact"]]
    assert metadata["docs"].rstrip("/") == links["documentation"]
    for link in ("issues", "source", "website"):
        assert metadata[link].rstrip("/") == links[link]
    assert yaml.safe_load(archive.read("config.yaml")) == project["config"]
    assert yaml.safe_load(archive.read("actions.yaml")) == project["actions"]


def test_manifest_names_the_architecture(architecture: str, archive: zipfile.ZipFile):
    (base,) = yaml.safe_load(archive.read("manifest.yaml"))["bases"]
    assert base["architectures"] == [architecture]


def test_machine_code_is_that_of_the_architecture(architecture: str, archive: zipfile.ZipFile):
    machines = {
        name: struct.unpack_from("<H", content, 18)[0]
        for name in archive.namelist()
        if (content := archive.read(name)).startswith(b"\x7fELF")
    }
    assert set(machines) == {
        name for name in archive.namelist() if ".so" in PurePosixPath(name).suffixes
    }
    assert machines
    assert set(machines.values()) == {ELF_MACHINES[architecture]}, machines


def test_dependencies_are_the_locked_ones_and_no_others(
    charm: str, architecture: str, archive: zipfile.ZipFile
):
    folders = {
        part
        for name in archive.namelist()
        for part in PurePosixPath(name).parts
        if part.endswith(".dist-info")
    }
    packed = [folder.removesuffix(".dist-info").split("-", 1) for folder in folders]
    named = {(canonicalize_name(name), version) for name, version in packed}
    assert named == locked(charm, architecture)


def test_the_virtual_environment_contains_the_files_of_dependencies_without_their_tests(
    archive: zipfile.ZipFile,
):
    files = set(contents(archive, "venv")) - {"venv/pyvenv.cfg"}
    (site,) = {"/".join(PurePosixPath(name).parts[:4]) for name in files}
    assert re.fullmatch(r"venv/lib/python3\.\d+/site-packages", site)
    recorded = {
        f"{site}/{line.rsplit(',', 2)[0]}"
        for name in files
        if name.endswith(".dist-info/RECORD")
        for line in archive.read(name).decode().splitlines()
    }
    assert not files - recorded
    assert not [name for name in files if "tests" in PurePosixPath(name).parts]


def test_the_archive_contains_no_other_files(archive: zipfile.ZipFile):
    top = {PurePosixPath(entry.filename).parts[0] for entry in archive.infolist()}
    assert top <= {
        *("LICENSE", "README.md", "actions.yaml", "config.yaml", "dispatch", "icon.svg"),
        *("lib", "manifest.yaml", "metadata.yaml", "src", "venv"),
    }
    for entry in archive.infolist():
        assert not stat.S_ISLNK(entry.external_attr >> 16), entry.filename


def test_every_module_has_bytecode_that_fits_whatever_times_its_files_get(
    archive: zipfile.ZipFile,
):
    modules = [name for name in archive.namelist() if name.endswith(".py")]
    compiled = {
        Path(importlib.util.cache_from_source(name)).as_posix(): archive.read(name)
        for name in modules
    }
    assert set(compiled) == {name for name in archive.namelist() if name.endswith(".pyc")}
    for name, source in compiled.items():
        magic, flags, source_hash = struct.unpack_from("<4sI8s", archive.read(name))
        assert magic == importlib.util.MAGIC_NUMBER, name
        assert flags == CHECKED_HASH, name
        assert source_hash == importlib.util.source_hash(source), name


def test_start_ends_in_a_status_where_there_is_no_api_server(charm: str, folder: Path):
    unpacked = _archive.unpack(_archive.find(charm), folder / "charm")
    before = {path: path.stat().st_mtime_ns for path in unpacked.rglob("*.pyc")}
    hook = _archive.dispatch(unpacked, "start", folder / "hook")
    assert hook.exit_status == 0, hook.log
    assert "Traceback" not in hook.log
    status, message = hook.status
    assert status in ("waiting", "blocked"), (status, message)
    assert message
    # Each line is a process under Juju: neither requests nor what ops does is logged.
    levels = {call[2] for call in hook.calls if call[0] == "juju-log"}
    assert charm not in WITH_LIBRARY or levels == {"WARNING"}, hook.log
    # The bytecode of the archive was taken: Python compiled none of the modules.
    assert {path: path.stat().st_mtime_ns for path in unpacked.rglob("*.pyc")} == before


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("venv/lib/python3.*/site-packages/lightkube", "No module named 'lightkube'"),
        ("lib/istio_ambient", "No module named 'istio_ambient'"),
    ],
)
def test_start_reports_a_missing_dependency(missing: str, message: str, folder: Path):
    """The previous test reports a missing dependency, as a unit would."""
    unpacked = _archive.unpack(_archive.find("istio-k8s"), folder / "charm")
    (removed,) = unpacked.glob(missing)
    shutil.rmtree(removed)
    hook = _archive.dispatch(unpacked, "start", folder / "hook")
    assert hook.exit_status != 0
    assert message in hook.log
