# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The tutorial: its commands in their order, and what it says that they print."""

import argparse
import dataclasses
import itertools
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests import lab
from tests.lab import backend, conftest, juju
from tests.scenarios import leftovers

PAGE = backend.ROOT / "docs" / "tutorial" / "first-mesh.md"
BLOCK = re.compile(r"^```(console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(.*?)\s*(?:# status (\d+))?")
MESH = "istio-system"
"""The model of the control plane."""
SECONDS = 60.0
"""For which a command is repeated until it prints what the page says."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A command of the page, and what the page says about its result."""

    command: str
    status: str
    """The HTTP status; "" where the page names none."""
    shown: str
    """The output that the page shows; `…` is any text within a line."""


def steps(page: str) -> Iterator[Step]:
    """Yield the commands of the console blocks; a text block shows the output of the last one."""
    blocks = [*BLOCK.findall(page), ("", "")]
    for (kind, content), (next_kind, next_content) in itertools.pairwise(blocks):
        if kind != "console":
            continue
        lines = content.replace("\\\n", " ").splitlines()
        for line in lines:
            found = COMMAND.fullmatch(line)
            assert found, line
            shown = next_content if next_kind == "text" and line is lines[-1] else ""
            yield Step(found[1], found[2] or "", shown)


class Terminal(juju.Terminal):
    """An operator's terminal at the start of the tutorial: no model exists."""

    def __init__(self, cluster: lab.Cluster):
        super().__init__({}, cluster.client)
        self._cluster = cluster
        self._controller = juju.Controller()
        self.url = ""
        """The URL that `list-routes` printed last."""

    def settle(self) -> None:
        """Let the units run the hooks that follow, and the proxies get what these wrote."""
        for model in self._models.values():
            model.settle()
        mesh = self._models.get(MESH)
        if mesh and mesh.apps and mesh.status().apps["istio-k8s"].status == "active":
            self._cluster.wait_synced()

    def _juju_add_model(self, name: str) -> None:
        self._models[name] = juju.Model(self._cluster, name, self._controller)
        self._current = name

    def _juju_deploy(self, *words: str) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("file", type=Path)
        parser.add_argument("app", nargs="?")
        parser.add_argument("--trust", action="store_true")
        parser.add_argument("--config", action="append", default=[])
        parser.add_argument("--resource", action="append", default=[])
        given = parser.parse_args(words)
        name, _, platform = given.file.name.partition("_")
        charm = backend.folder(name)
        meta = yaml.safe_load((charm / "charmcraft.yaml").read_text())
        assert str(given.file.parent) == "build"
        assert platform.removesuffix(".charm").replace("-", ":") in meta["platforms"]
        resources = {key: each["upstream-source"] for key, each in meta["resources"].items()}
        assert dict(each.split("=", 1) for each in given.resource) == resources
        config = dict(each.split("=", 1) for each in given.config)
        model = self._models[self._current]
        model.deploy(charm, given.app, config=config, trust=given.trust)

    def _juju_wait_for(self, kind: str, name: str) -> None:
        assert kind == "application"
        self._models[self._current].wait_active(name)

    def _juju_run(self, *words: str) -> str:
        model, (unit, action, *typed) = self._chosen(words)
        results = model.run(unit, action, *typed)
        text = "\n".join(printed(name, str(value)) for name, value in sorted(results.items()))
        if action == "list-routes":
            self.url = next(iter(re.findall(r"http://[0-9.]+", text)), "")
        return text

    def _juju_remove_relation(self, left: str, right: str) -> None:
        self._models[self._current].remove_relation(left, right)

    def _juju_remove_application(self, *words: str) -> None:
        assert words[0] == "--no-prompt"
        model, apps = self._chosen(words[1:])
        for app in apps:
            model.remove(app)

    def _juju_destroy_model(self, flag: str, name: str) -> None:
        assert flag == "--no-prompt"
        self._models.pop(name).destroy()

    def curl(self, url: str) -> str:
        """Send a request from outside of the cluster; return its status as an action prints it."""
        response = self._cluster.request_outside(url.replace("http://<address>", self.url))
        return f'status: "{response.status}"'

    def enter(self, line: str) -> Any:
        """Carry out a command; return what it prints."""
        match line.split():
            case ["make", "pack"]:
                return ""
            case ["curl", url]:
                return self.curl(url)
            case _:
                return super().enter(line)


def printed(name: str, value: str) -> str:
    """Return a result of an action as `juju run` prints it."""
    if "\n" in value:
        return f"{name}: |-\n" + textwrap.indent(value, "  ")
    if value.isdigit():
        return f'{name}: "{value}"'
    return yaml.safe_dump({name: value}, width=100_000, allow_unicode=True).rstrip("\n")


def is_shown(shown: str, output: str) -> bool:
    """Return whether the lines that the page shows are in an output, in their order."""
    rest = iter(line.strip() for line in output.splitlines())
    patterns = (re.escape(line.strip()).replace("…", ".*") for line in shown.splitlines())
    return all(any(re.fullmatch(pattern, line) for line in rest) for pattern in patterns)


def test_each_command_of_the_tutorial_prints_what_the_page_says(cluster: lab.Cluster):
    # Without one, no pod counts as captured: explain and list-access print something else.
    conftest.need_ztunnel(cluster)
    terminal = Terminal(cluster)
    found = list(steps(PAGE.read_text()))
    assert {step.status for step in found} == {"", "200", "403"}
    for step in found:

        def check(step: Step = step) -> bool:
            output = terminal.enter(step.command) or ""
            terminal.settle()
            if step.status:
                expected = f'status: "{step.status}"'
                assert expected in output.splitlines(), f"{step.command}\n{output}"
            assert is_shown(step.shown, output), f"{step.command}\n{output}"
            return True

        if step.status or step.shown:
            lab.eventually(check, timeout=SECONDS)
        else:
            check()
    assert leftovers.of(cluster.kubeconfig, MESH) == []


def test_lines_are_shown_if_they_are_printed_in_their_order():
    output = "a 1\n  b 2\nc 3"
    assert is_shown("a …\nc 3\n", output)
    assert not is_shown("c 3\na 1\n", output)
    assert not is_shown("b\n", output)
