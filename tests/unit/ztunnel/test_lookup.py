# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which ztunnel is found, and what is said where none is."""

from pathlib import Path

import pytest
from istio_ambient import manifests

from tests import ztunnel
from tests.unit.ztunnel.registry import Registry, layer

TAG = "1-distroless"
ZTUNNEL = "usr/local/bin/ztunnel"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def image(registry: Registry) -> ztunnel.Image:
    registry.push(TAG, [layer((ZTUNNEL, "from the image"))])
    return ztunnel.Image(registry.repository, TAG)


def program(path: Path, content: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def found(result: ztunnel.Program | ztunnel.Missing) -> ztunnel.Program:
    assert isinstance(result, ztunnel.Program), result
    return result


def test_the_one_that_is_named_comes_first(
    tmp_path: Path, cache: Path, registry: Registry, image: ztunnel.Image
):
    named = program(tmp_path / "mine", "named")
    program(cache / "ztunnel", "cached")
    result = found(ztunnel.find({"LAB_ZTUNNEL": str(named)}, cache, image))
    assert (result.path, result.origin) == (named, "LAB_ZTUNNEL")
    assert str(result) == f"ztunnel is {named} (from LAB_ZTUNNEL)"
    assert registry.requests == []


def test_a_relative_name_means_the_same_inside_the_lab(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    named = program(tmp_path / "mine", "named")
    monkeypatch.chdir(tmp_path)
    result = ztunnel.find({"LAB_ZTUNNEL": "mine"}, cache)
    assert ztunnel.variables(result, {}) == {"LAB_ZTUNNEL": str(named)}


def test_the_one_in_the_cache_folder_comes_second(
    cache: Path, registry: Registry, image: ztunnel.Image
):
    kept = program(cache / "ztunnel", "cached")
    result = found(ztunnel.find({"LAB_ZTUNNEL": ""}, cache, image))
    assert (result.path, result.origin) == (kept, "the lab's cache folder")
    assert registry.requests == []


def test_the_one_in_the_image_comes_third(cache: Path, image: ztunnel.Image):
    result = found(ztunnel.find({}, cache, image))
    assert result.path.read_text() == "from the image"
    assert result.origin == f"the image {image}"


@pytest.mark.parametrize("source", ["LAB_ZTUNNEL", "cache"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_not_executable_is_an_error(tmp_path: Path, cache: Path, source: str, kind: str):
    path = tmp_path / "mine" if source == "LAB_ZTUNNEL" else cache / "ztunnel"
    if kind == "file":
        program(path, "no program", mode=0o644)
    else:
        path.mkdir(parents=True)
    environment = {"LAB_ZTUNNEL": str(path)} if source == "LAB_ZTUNNEL" else {}
    expected = "not executable" if kind == "file" else "no such file"
    with pytest.raises(ztunnel.ProgramError, match=f"{path}: .*{expected}"):
        ztunnel.find(environment, cache)


def test_a_name_without_a_file_is_an_error(tmp_path: Path, cache: Path):
    program(cache / "ztunnel", "cached")
    with pytest.raises(ztunnel.ProgramError, match="LAB_ZTUNNEL=/no/where: there is no such file"):
        ztunnel.find({"LAB_ZTUNNEL": "/no/where"}, cache)


def test_its_rows_are_required_in_ci_exactly_when_one_was_found(tmp_path: Path):
    path = program(tmp_path / "mine", "named")
    program_found = ztunnel.Program(path, "LAB_ZTUNNEL")
    assert ztunnel.variables(program_found, {"CI": "true"}) == {
        "LAB_ZTUNNEL": str(path),
        "LAB_REQUIRE_ZTUNNEL": "1",
    }
    assert ztunnel.variables(program_found, {}) == {"LAB_ZTUNNEL": str(path)}
    assert ztunnel.variables(ztunnel.Missing("why"), {"CI": "true"}) == {}


def test_how_to_get_one_names_image_folder_and_variable(cache: Path):
    told = ztunnel.how_to_get(cache)
    assert f"/{ZTUNNEL} of the image {ztunnel.IMAGE} at {cache}/ztunnel" in told
    assert "pass LAB_ZTUNNEL=<path> to make" in told
    assert "\n" not in told


def test_the_pin_is_of_the_release_that_the_charm_installs():
    pinned = f"{ztunnel.IMAGE.repository}:{ztunnel.IMAGE.tag}"
    assert pinned == manifests.Config().image("ztunnel")
