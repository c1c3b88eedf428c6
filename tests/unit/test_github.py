# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Workflows, forms and settings for GitHub: pinned, with few rights, and about what exists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
FORMS = sorted(
    set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
)
# Jobs that may do more than read the sources, and what.
MORE_RIGHTS = {("release.yaml", "draft"): {"contents": "write"}}
COMMIT_AND_VERSION = re.compile(
    r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # (v\d+(\.\d+){0,2}|main, \d{4}-\d\d-\d\d)"
)

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def workflow(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text())


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in workflow(path)["jobs"].values():
        yield from job.get("steps", ())


def scripts(path: Path) -> Iterator[str]:
    for step in steps(path):
        if "run" in step:
            yield step["run"]


def test_there_are_workflows_for_pull_requests_and_releases():
    # YAML reads the key `on` as true.
    triggers = {path.name: workflow(path)[True] for path in WORKFLOWS}
    assert "pull_request" in triggers["ci.yaml"]
    assert set(triggers["release.yaml"]) == {"push", "workflow_dispatch"}
    assert set(triggers["release.yaml"]["workflow_dispatch"]["inputs"]) == {"channel", "tag"}


def test_pull_requests_run_what_ci_runs_anywhere():
    assert any(".ci/run" in script for script in scripts(GITHUB / "workflows" / "ci.yaml"))
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@every_workflow
def test_actions_are_pinned_by_commit_and_images_by_digest(path: Path):
    uses = [line.strip().removeprefix("- ") for line in path.read_text().splitlines()]
    for line in uses:
        if line.startswith("uses: ./"):
            assert (ROOT / line.removeprefix("uses: ./")).exists(), line
        elif line.startswith("uses:"):
            assert COMMIT_AND_VERSION.fullmatch(line), line
    for job in workflow(path)["jobs"].values():
        assert not str(job.get("runs-on", "")).endswith("-latest")
        images = [job.get("container", {}), *job.get("services", {}).values()]
        for image in filter(None, images):
            name = image if isinstance(image, str) else image["image"]
            assert "@sha256:" in name, name


@every_workflow
def test_rights_are_the_least(path: Path):
    assert workflow(path)["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow(path)["jobs"].items():
        expected = MORE_RIGHTS.get((path.name, name))
        assert job.get("permissions") == expected, name
    for step in steps(path):
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_what_others_write_reaches_no_script_as_text(path: Path):
    for script in scripts(path):
        assert not re.search(r"\$\{\{[^}]*\b(github\.event|github\.head_ref|inputs)\b", script)
    assert "pull_request_target" not in path.read_text()


@every_workflow
def test_jobs_end(path: Path):
    for name, job in workflow(path)["jobs"].items():
        assert "uses" in job or job["timeout-minutes"] <= 120, name


@every_workflow
def test_targets_and_programs_that_are_run_exist(path: Path):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for script in scripts(path):
        assert set(re.findall(r"\bmake ([a-z]\S*)", script)) <= targets
        for program in re.findall(r"(?:^|\s)((?:\.ci|tools|tests)/[\w./-]+)", script):
            assert (ROOT / program).exists(), program


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_forms_have_what_github_requires(path: Path):
    form = workflow(path)
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    names = [field["id"] for field in fields]
    assert len(set(names)) == len(names) > 0
    assert all(field["attributes"]["label"] for field in fields)


def test_the_form_for_bugs_names_every_charm():
    body = workflow(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]
    (options,) = (field["attributes"]["options"] for field in body if field.get("id") == "charm")
    assert sorted(options) == sorted(path.parent.name for path in ROOT.glob("charms/*/icon.svg"))


def test_vulnerabilities_are_not_reported_in_issues():
    config = workflow(GITHUB / "ISSUE_TEMPLATE" / "config.yml")
    assert config["blank_issues_enabled"] is False
    assert any(link["url"].endswith("/security/policy") for link in config["contact_links"])


def test_renovate_finds_the_images_of_all_charms_and_leaves_istio_alone():
    settings = json.loads((GITHUB / "renovate.json").read_text())
    (images,) = settings["customManagers"]
    (pattern,) = images["matchStrings"]
    expression = re.compile(pattern.replace("(?<", "(?P<"))
    (files,) = images["managerFilePatterns"]
    for project in (
        *ROOT.glob("charms/*/charmcraft.yaml"),
        *ROOT.glob("examples/*/charmcraft.yaml"),
    ):
        assert re.search(
            files.strip("/").replace("\\/", "/"), project.relative_to(ROOT).as_posix()
        )
        found = expression.search(project.read_text())
        assert found
        assert found["depName"].startswith("docker.io/")
    (left_alone,) = (rule for rule in settings["packageRules"] if rule.get("enabled") is False)
    for name in left_alone["matchFileNames"]:
        assert (ROOT / name.removesuffix("/**") / "go.mod").is_file()
