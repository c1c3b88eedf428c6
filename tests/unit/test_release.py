# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How the charms are uploaded and released: all of them, for each platform, or none."""

import json
from pathlib import Path

import pytest

from tools import release

# Stands in for charmcraft: writes its arguments, and answers with the next revision.
CHARMCRAFT = """\
#!/usr/bin/env python3
import json, pathlib, sys
calls = pathlib.Path(__file__).with_name("calls.jsonl")
made = calls.read_text().splitlines() if calls.exists() else []
calls.write_text("\\n".join([*made, json.dumps(sys.argv[1:])]) + "\\n")
if any("REFUSED" in word for word in sys.argv):
    sys.exit(1)
print(json.dumps({"revision": len(made) + 1}))
"""
PROJECT = """\
platforms:
  ubuntu@24.04:amd64:
  ubuntu@24.04:arm64:
resources:
  proxy-image:
    upstream-source: docker.io/example/proxy:1
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two charms, packed."""
    program = tmp_path / "charmcraft"
    program.write_text(CHARMCRAFT)
    program.chmod(0o755)
    (tmp_path / "build").mkdir()
    for name in ("a", "b"):
        folder = tmp_path / "charms" / name
        folder.mkdir(parents=True)
        (folder / "charmcraft.yaml").write_text(PROJECT)
        for architecture in ("amd64", "arm64"):
            (tmp_path / "build" / f"{name}_ubuntu@24.04-{architecture}.charm").touch()
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release, "CHARMCRAFT", str(program))
    return tmp_path


def calls(repository: Path) -> list[list[str]]:
    log = repository / "calls.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_every_platform_is_released_with_its_image_after_everything_is_uploaded(repository: Path):
    assert release.main(["latest/edge"]) == 0
    build = repository / "build"

    def uploads(name: str) -> list[list[str]]:
        image = "--image=docker://docker.io/example/proxy:1"
        archives = [
            str(build / f"{name}_ubuntu@24.04-{each}.charm") for each in ("amd64", "arm64")
        ]
        return [
            *(["upload", archive, "--format=json"] for archive in archives),
            ["upload-resource", name, "proxy-image", image, "--format=json"],
        ]

    def released(name: str, revision: int, resource: int) -> list[str]:
        options = [f"--revision={revision}", "--channel=latest/edge"]
        return ["release", name, *options, f"--resource=proxy-image:{resource}"]

    assert calls(repository) == [
        *uploads("a"),
        *uploads("b"),
        released("a", 1, 3),
        released("a", 2, 3),
        released("b", 4, 6),
        released("b", 5, 6),
    ]


def test_nothing_is_uploaded_where_a_platform_was_not_packed(
    repository: Path, capsys: pytest.CaptureFixture[str]
):
    (repository / "build" / "b_ubuntu@24.04-arm64.charm").unlink()
    assert release.main(["latest/edge"]) == 1
    assert not calls(repository)
    assert "b_ubuntu@24.04-arm64.charm is missing" in capsys.readouterr().err


def test_nothing_is_released_where_an_upload_fails(repository: Path):
    (repository / "charms" / "b" / "charmcraft.yaml").write_text(
        PROJECT.replace("example/proxy", "example/REFUSED")
    )
    assert release.main(["latest/edge"]) == 1
    assert not [call for call in calls(repository) if call[0] == "release"]


@pytest.mark.parametrize("channel", ["edge", "latest/stable", "2/candidate/hotfix-1"])
def test_channels_are_taken(channel: str, repository: Path):
    assert release.main([channel]) == 0


@pytest.mark.parametrize("channel", ["", "latest", "latest/nightly", "--help me", "edge; true"])
def test_other_texts_are_no_channels(channel: str, repository: Path):
    with pytest.raises(SystemExit):
        release.main([channel])
    assert not calls(repository)
