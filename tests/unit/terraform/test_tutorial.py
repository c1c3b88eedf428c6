# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The example of the product module deploys what the tutorial deploys."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.unit.docs.commands import _juju
from tests.unit.docs.commands._pages import Command, commands
from tests.unit.docs.commands._understood import juju_options
from tests.unit.terraform._modules import (
    CHARM_OF_PART,
    ROOT,
    Block,
    Module,
    charmcraft,
    parts_of_product,
    read,
)

PLURAL = {"control_plane": "control_plane", "beacon": "beacons", "ingress": "ingresses"}
EXAMPLE = ROOT / "terraform" / "examples" / "first-mesh"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-mesh.md"


@dataclass
class Deployment:
    """What models contain at the end."""

    charms: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """By model and application."""
    config: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Options that differ from their defaults, by application."""
    integrations: set[frozenset[str]] = field(default_factory=set[frozenset[str]])
    """Names of the two applications."""

    def deploy(self, model: str, application: str, charm: str) -> None:
        """Add an application."""
        self.charms[model, application] = charm

    def configure(self, application: str, options: dict[str, str]) -> None:
        """Set options of an application."""
        [charm] = {one for (_, name), one in self.charms.items() if name == application}
        defined = charmcraft(charm)["config"]["options"]
        defaults = {
            name: json.dumps(one.get("default")).strip('"') for name, one in defined.items()
        }
        changed = {name: value for name, value in options.items() if value != defaults[name]}
        if changed:
            self.config.setdefault(application, {}).update(changed)


def of_tutorial(text: str) -> Deployment:
    """Return what the commands of a page deploy, until it removes everything."""
    result = Deployment()
    model = ""
    for name, found in _typed(commands(text)):
        model = found.values.get("-m", [model])[0] if name != "config" else model
        if name in ("add-model", "switch"):
            model = found.positional[0]
        elif name == "deploy":
            charm = _juju.charm_name(found.positional[0])
            application = (found.positional[1:] or [charm])[0]
            result.deploy(model, application, charm)
            result.configure(application, _pairs(found.values.get("--config", [])))
        elif name == "config":
            application, *options = found.positional
            result.configure(application, _pairs(options))
        elif name in ("integrate", "remove-relation"):
            ends = frozenset(word.partition(":")[0] for word in found.positional)
            result.integrations ^= {ends}
    return result


def _typed(found: list[Command]) -> Iterator[tuple[str, _juju.Arguments]]:
    for command in found:
        if command.is_whole and command.program == "juju":
            yield (
                command.words[1],
                _juju.arguments(command.words[2:], juju_options()[command.words[1]]),
            )


def _pairs(words: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in words) if value}


def of_example(example: Module) -> Deployment:
    """Return what the example deploys: by the product module, and beside it."""
    models = {
        address: block["name"]
        for address, block in example.resources.items()
        if address.startswith("juju_model.")
    }
    product = read(ROOT / "terraform")
    result = Deployment()
    for part, _, block in parts_of_product(example.calls["mesh"]):
        variable = PLURAL[part]
        default = re.search(
            r'app_name = optional\(string, "([\w-]+)"\)', product.variables[variable]["type"]
        )
        assert default
        application = block.get("app_name", default[1])
        model = block["model_uuid"].removeprefix("${").removesuffix(".uuid}")
        result.deploy(models[model], application, CHARM_OF_PART[part])
        options = {name: json.dumps(value) for name, value in block.get("config", {}).items()}
        result.configure(application, options)
    backends: dict[str, list[str]] = example.values["backends"]
    for application in backends:
        result.deploy("shop", application, "bookshop")
        result.configure(application, {"role": application})
    for address, block in example.resources.items():
        if address.startswith("juju_integration."):
            result.integrations |= set(_integrated(block, backends))
    return result


def _integrated(block: Block, backends: dict[str, list[str]]) -> Iterator[frozenset[str]]:
    """Yield the pairs of applications that a juju_integration of the example is about."""
    calls = [
        {"each.value.caller": caller, "each.value.called": name}
        for caller, called in backends.items()
        for name in called
    ]
    repeated = {
        "${local.backends}": [{"each.key": name} for name in backends],
        "${local.calls}": calls,
    }
    names = repeated[block["for_each"]] if "for_each" in block else [dict[str, str]()]
    for known in names:
        yield frozenset(_named(end["name"], known) for end in block["application"])


def _named(expression: str, known: dict[str, str]) -> str:
    """Return the application that an end of an integration names."""
    bookshop = re.fullmatch(r"\$\{juju_application\.bookshop\[(.*)\]\.name\}", expression)
    if bookshop:
        return known.get(bookshop[1], bookshop[1].strip('"'))
    parts = {"beacons": "istio-beacon-k8s", "ingresses": "istio-ingress-k8s"}
    [part] = re.findall(r"^\$\{module\.mesh\.(\w+)\[\"shop\"\]\.application\.name\}$", expression)
    return parts[part]


def test_the_example_deploys_what_the_tutorial_deploys():
    example, tutorial = of_example(read(EXAMPLE)), of_tutorial(TUTORIAL.read_text())
    assert len(tutorial.charms) > 3
    assert example.charms == tutorial.charms
    assert example.config == tutorial.config
    assert example.integrations == tutorial.integrations


def test_the_runs_of_the_example_name_these_applications():
    [run] = EXAMPLE.glob("tests/*.tftest.hcl")
    names = {application for _, application in of_tutorial(TUTORIAL.read_text()).charms}
    text = run.read_text()
    assert [name for name in names if f'"{name}"' not in text] == []


def test_the_bookshop_of_the_example_is_one_application_for_each_role():
    resources = read(EXAMPLE).resources
    bookshop = resources["juju_application.bookshop"]
    assert (
        bookshop["for_each"]
        == resources["juju_integration.service_mesh"]["for_each"]
        == "${local.backends}"
    )
    assert (bookshop["name"], bookshop["config"]) == ("${each.key}", {"role": "${each.key}"})


def test_deployments_of_a_page_are_read():
    page = """
```console
juju add-model infra
juju deploy ./build/istio-k8s_ubuntu@24.04-amd64.charm mesh --config hub=example.com/istio
juju add-model web
juju deploy ./build/bookshop_ubuntu@24.04-amd64.charm details --config role=details
juju deploy ./build/bookshop_ubuntu@24.04-amd64.charm productpage --config role=productpage
juju integrate productpage:backends details:api
juju integrate mesh:istio-metadata kiali
juju remove-relation details:api productpage:backends
juju config -m infra mesh hardened-mode=true
```
"""
    read_from_page = of_tutorial(page)
    assert read_from_page.charms == {
        ("infra", "mesh"): "istio-k8s",
        ("web", "details"): "bookshop",
        ("web", "productpage"): "bookshop",
    }
    assert read_from_page.config == {
        "mesh": {"hub": "example.com/istio", "hardened-mode": "true"},
        "details": {"role": "details"},
    }
    assert read_from_page.integrations == {frozenset(("mesh", "kiali"))}
