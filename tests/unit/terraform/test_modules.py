# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Terraform modules fit each other, the charms and what they say about themselves."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.terraform._modules import (
    CHARM_OF_PART,
    ROOT,
    Block,
    Module,
    charmcraft,
    endpoints,
    faults_of_calls,
    faults_of_descriptions,
    faults_of_endpoints,
    faults_of_objects,
    faults_of_options,
    faults_of_references,
    module,
    parsed,
    parts_of_product,
    read,
)

CHARMS = sorted(path.parent.name for path in (ROOT / "charms").glob("*/charmcraft.yaml"))
PRODUCT = ROOT / "terraform"
EXAMPLES = sorted(path.parent for path in PRODUCT.glob("examples/*/main.tf"))
FOLDERS = [*(ROOT / "charms" / charm / "terraform" for charm in CHARMS), PRODUCT, *EXAMPLES]
PAGES = [*(folder / "README.md" for folder in FOLDERS), ROOT / "docs" / "how-to" / "terraform.md"]
RUNS = sorted(PRODUCT.rglob("*.tftest.hcl"))
VARIABLES = {
    "app_name": "string",
    "base": "string",
    "channel": "string",
    "charm_name": "string",
    "config": "${map(string)}",
    "constraints": "string",
    "model_uuid": "string",
    "resources": "${map(string)}",
    "revision": "number",
    "trust": "bool",
    "units": "number",
}
PLUGINS = Path.home() / ".terraform.d" / "plugins"
PROGRAM = shutil.which("terraform") or shutil.which("tofu")


def title(path: Path) -> str:
    return str(path.relative_to(ROOT))


def charm_module(charm: str) -> Module:
    return read(ROOT / "charms" / charm / "terraform")


def called_by(folder: Path, subject: Module) -> dict[str, Module]:
    return {
        name: read((folder / call["source"]).resolve()) for name, call in subject.calls.items()
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_a_module_has_the_files_that_are_looked_for(folder: Path):
    names = {file.name for file in folder.iterdir()}
    assert {"README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf"} <= names
    assert (folder / "versions.tf").read_text() == (PRODUCT / "versions.tf").read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_references_and_descriptions_are_complete(folder: Path):
    subject = read(folder)
    assert list(faults_of_references(subject)) == []
    assert list(faults_of_descriptions(subject)) == []
    assert list(faults_of_objects(subject)) == []
    assert list(faults_of_calls(subject, called_by(folder, subject))) == []


@pytest.mark.parametrize("charm", CHARMS)
def test_the_module_of_a_charm_takes_what_an_application_has(charm: str):
    variables = charm_module(charm).variables
    assert {name: block["type"] for name, block in variables.items()} == VARIABLES
    assert variables["app_name"]["default"] == charm
    assert f"{variables['base']['default']}:amd64" in charmcraft(charm)["platforms"]


@pytest.mark.parametrize("charm", CHARMS)
def test_the_module_of_a_charm_hands_every_variable_to_the_application(charm: str):
    application = charm_module(charm).resources["juju_application.this"]
    [inner] = application["charm"]
    arguments = {**application, **{f"charm.{key}": value for key, value in inner.items()}}
    handed = {key: name for key, name in arguments.items() if key != "charm"}
    named = {"name": "app_name", "charm.name": "charm_name"}
    assert handed == {
        key: f"${{var.{named.get(key, key.removeprefix('charm.'))}}}" for key in handed
    }
    assert len(handed) == len(VARIABLES)


@pytest.mark.parametrize("charm", CHARMS)
def test_the_output_endpoints_has_every_endpoint(charm: str):
    assert charm_module(charm).outputs["endpoints"]["value"] == {
        side: {name.replace("-", "_"): name for name in endpoints(charm, side)}
        for side in ("provides", "requires")
    }


def test_a_charm_name_has_no_default():
    # On Charmhub, the names of this repository belong to the charms of another publisher.
    assert all("default" not in charm_module(charm).variables["charm_name"] for charm in CHARMS)
    assert "default" not in read(PRODUCT).variables["charm_names"]


def test_the_product_hands_on_all_that_a_charm_takes():
    product = read(PRODUCT)
    for name, call in product.calls.items():
        charm = CHARM_OF_PART[name]
        assert call["source"] == f"../charms/{charm}/terraform"
        assert set(VARIABLES) - set(call) == {"trust"}
        assert call["charm_name"] == f"${{var.charm_names.{name}}}"
        assert f'app_name = optional(string, "{charm}")' in str(product.variables)


def test_endpoints_that_the_product_integrates_exist():
    charms = {
        f"module.{part}": CHARM_OF_PART[part] for part in ("control_plane", "beacon", "ingress")
    }
    assert list(faults_of_endpoints(read(PRODUCT), charms)) == []


@pytest.mark.parametrize("folder", EXAMPLES, ids=title)
def test_endpoints_and_options_of_an_example_exist(folder: Path):
    example = read(folder)
    charms = {
        "module.mesh.control_plane": "istio-k8s",
        "module.mesh.beacons": "istio-beacon-k8s",
        "module.mesh.ingresses": "istio-ingress-k8s",
    }
    assert list(faults_of_endpoints(example, charms)) == []
    for call in example.calls.values():
        for part, _, argument in parts_of_product(call):
            assert list(faults_of_options(part, argument)) == []
    for address, block in example.resources.items():
        for end in block.get("application", []):
            if end["name"].startswith("${juju_application.bookshop"):
                assert end["endpoint"] in endpoints("bookshop")
        if address.startswith("juju_application."):
            part = block["charm"][0]["name"].removeprefix("${var.charm_names.").removesuffix("}")
            assert list(faults_of_options(part, block)) == []


@pytest.mark.parametrize("file", RUNS, ids=title)
def test_options_in_runs_exist(file: Path):
    tree = parsed(file.read_text())
    runs = [block for each in tree["run"] for block in each.values()]
    for variables in (one for run in [*runs, tree] for one in run.get("variables", [])):
        for part, _, argument in parts_of_product(variables):
            assert list(faults_of_options(part, argument)) == []


@pytest.mark.parametrize("folder", FOLDERS[: -len(EXAMPLES)], ids=title)
def test_a_readme_has_every_variable_and_output(folder: Path):
    subject = read(folder)
    text = (folder / "README.md").read_text()
    names = {*subject.variables, *subject.outputs}
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_options_in_a_page_exist(page: Path):
    for block in re.findall(r"```hcl\n(.*?)```", page.read_text(), re.DOTALL):
        assert faults_in_page(parsed(block)) == []


def test_an_option_in_a_page_that_does_not_exist_is_detected():
    block = parsed("cos = {}\nbeacons = { shop = { config = { model-on-meshes = true } } }")
    assert faults_in_page(block) == ["istio-beacon-k8s has no model-on-meshes in config"]


def faults_in_page(block: Block) -> list[str]:
    """Return the options in a block of a page that do not exist."""
    faults = [
        fault for part, _, one in parts_of_product(block) for fault in faults_of_options(part, one)
    ]
    for call in (call for each in block.get("module", []) for call in each.values()):
        charm = re.search(r"charms/([\w-]+)/terraform$", call["source"])
        part = next((p for p, name in CHARM_OF_PART.items() if charm and name == charm[1]), None)
        asked = [(part, call)] if part else [(p, one) for p, _, one in parts_of_product(call)]
        faults += [fault for one, argument in asked for fault in faults_of_options(one, argument)]
    return faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('output "o" {\n description = "d"\n value = var.x\n}', "variable x is not declared"),
        ('variable "x" {\n type = string\n description = "d"\n}', "variable x is not used"),
        ("locals {\n a = local.b\n}", "local value b is not declared"),
        ("locals {\n a = module.beacon.application\n}", "module beacon is not declared"),
        ("locals {\n a = juju_offer.mesh.url\n}", "juju_offer.mesh is not declared"),
    ],
)
def test_a_dangling_reference_is_detected(text: str, fault: str):
    assert fault in list(faults_of_references(module(text)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('module "m" {\n source = "x"\n unit = 1\n}', "module m has no variable unit"),
        ('module "m" {\n source = "x"\n}', "module m needs model_uuid"),
        (
            'module "m" {\n source = "x"\n}\nlocals {\n a = module.m["k"].app\n}',
            "module m has no output app",
        ),
    ],
)
def test_a_call_that_does_not_fit_is_detected(text: str, fault: str):
    assert fault in list(faults_of_calls(module(text), {"m": charm_module("istio-k8s")}))


def test_keys_of_objects_that_do_not_fit_are_detected():
    text = """
        variable "x" {
          type = object({ a = string, b = optional(object({ c = string })) })
        }
        locals {
          read = [var.x.a, var.x.d]
        }
    """
    assert list(faults_of_objects(module(text))) == ["variable x has no d", "x.b is not used"]


def test_an_endpoint_or_option_that_does_not_exist_is_detected():
    text = "locals {\n a = module.beacon.endpoints.provides.mesh\n}"
    faults = faults_of_endpoints(module(text), {"module.beacon": "istio-beacon-k8s"})
    assert list(faults) == ["istio-beacon-k8s provides no endpoint mesh"]
    assert list(faults_of_options("ingress", {"config": {"hardened-mode": True}})) == [
        "istio-ingress-k8s has no hardened-mode in config"
    ]


def terraform(folder: Path, *arguments: str) -> str:
    """Return what Terraform or OpenTofu prints; an error fails the test."""
    command = [str(PROGRAM), f"-chdir={folder}", *arguments]
    # Terraform would ask its maker for a newer version.
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.skipif(PROGRAM is None, reason="neither terraform nor tofu is on the PATH")
@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_the_files_have_the_usual_format(folder: Path):
    terraform(folder, "fmt", "-check", "-diff", "-recursive")


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="neither terraform nor tofu is on the PATH")
@pytest.mark.skipif(not PLUGINS.is_dir(), reason=f"no provider juju/juju in {PLUGINS}")
@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_terraform_accepts_the_module_and_its_runs_pass(folder: Path, tmp_path: Path):
    for name in ("charms", "terraform"):
        modules = shutil.ignore_patterns("lib", "src", ".terraform*")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=modules)
    copy = tmp_path / folder.relative_to(ROOT)
    terraform(copy, "init", "-no-color", f"-plugin-dir={PLUGINS}")
    terraform(copy, "validate", "-no-color")
    if list(copy.glob("tests/*.tftest.hcl")):
        assert ", 0 failed" in terraform(copy, "test", "-no-color")
