# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Commands of make, kubectl, istioctl and Terraform: what of them does not exist."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from tests.unit.docs.commands._juju import arguments, is_open
from tests.unit.docs.commands._pages import ROOT, Command
from tests.unit.docs.commands._understood import words


@cache
def kinds() -> set[str]:
    """Return the names that kubectl takes for kinds."""
    folder = ROOT / "lib" / "istio_ambient" / "manifests" / "crds"
    # One line of comment, then JSON, which is read faster than YAML.
    definitions: list[dict[str, Any]] = [
        definition
        for file in sorted(folder.glob("*.yaml"))
        for definition in json.loads(file.read_text().partition("\n")[2])
        if definition["kind"] == "CustomResourceDefinition"
    ]
    names = [one["spec"]["names"] for one in definitions]
    custom = {one[form] for one in names for form in ("singular", "plural")}
    short = {word for one in names for word in one.get("shortNames", ())}
    others = words("kubectl", "kinds")
    plurals = {_plural(kind) for kind in others}
    return custom | short | others | plurals | words("kubectl", "short_kinds")


def _plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith(("s", "ss")) else f"{kind}s"


@cache
def _sources() -> str:
    """Return the library's text, in which every label of our objects occurs."""
    library = ROOT / "lib" / "istio_ambient"
    files = (file for suffix in ("py", "j2", "yaml") for file in library.rglob(f"*.{suffix}"))
    return "\n".join(file.read_text() for file in files if "crds" not in file.parts)


def faults_of_make(command: Command) -> Iterator[str]:
    """Yield targets and variables that the Makefile does not have."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    for word in command.words[1:]:
        name, is_variable, _ = word.partition("=")
        if is_variable:
            known = f"({name})" in makefile or name.startswith("LAB_")
            yield from () if known else (f"the Makefile has no variable {name}",)
        elif not is_open(word) and not word.startswith("-") and word not in targets:
            yield f"the Makefile has no target {word}; there are {', '.join(sorted(targets))}"


def faults_of_kubectl(command: Command) -> Iterator[str]:
    """Yield verbs, options, kinds and labels that are not known."""
    # After -- comes a command for a pod.
    typed = list(command.words[1:])
    typed = typed[: typed.index("--")] if "--" in typed else typed
    found = arguments(typed, words("kubectl", "options"))
    found.unknown[:] = [one for one in found.unknown if not re.match(r"--?[\w-]+=", one)]
    yield from (f"kubectl has no option {one} in programs.yaml" for one in found.unknown)
    verb, *rest = found.positional or [""]
    groups = ("of_kinds", "of_pods", "of_verbs", "other_verbs")
    if verb and not any(verb in words("kubectl", group) for group in groups):
        yield f"kubectl has no command {verb} in programs.yaml"
    yield from _unknown_kinds(verb, rest)
    yield from _unknown_labels(found.values)


def _unknown_kinds(verb: str, rest: list[str]) -> Iterator[str]:
    named: list[str] = []
    if verb in words("kubectl", "of_kinds"):
        named = [word for word in rest if "/" in word] if "/" in (rest or [""])[0] else rest[:1]
    elif verb in words("kubectl", "of_pods"):
        named = [word for word in rest[:1] if "/" in word and not word.startswith("/")]
    elif verb in ("create", "rollout"):
        named = rest[:1] if verb == "create" else rest[1:2]
    for word in ",".join(named).split(","):
        kind = word.partition("/")[0].partition(".")[0].lower()
        if kind and not is_open(kind) and kind not in kinds():
            yield f"no kind {kind} is in the CRDs or in programs.yaml"


def _unknown_labels(values: dict[str, list[str]]) -> Iterator[str]:
    for selector in (*values.get("-l", []), *values.get("--selector", [])):
        for requirement in selector.split(","):
            key = re.split(r"[=! ]", requirement.lstrip("!"))[0]
            pattern = rf"(?<![\w./-]){re.escape(key)}(?![\w./-])"
            is_known = key in words("kubectl", "labels") or re.search(pattern, _sources())
            if not is_open(key) and not is_known:
                yield f"no object of ours has a label {key}"


def _first(command: Command, known: Iterable[str]) -> Iterator[str]:
    first = next((word for word in command.words[1:] if not word.startswith("-")), "")
    if first and not is_open(first) and first not in known:
        yield f"{command.program} has no command {first} in programs.yaml"


def faults_of_istioctl(command: Command) -> Iterator[str]:
    """Yield commands that istioctl does not have."""
    yield from _first(command, words("istioctl"))


def faults_of_terraform(command: Command) -> Iterator[str]:
    """Yield commands that Terraform and OpenTofu do not have."""
    yield from _first(command, words("terraform"))
