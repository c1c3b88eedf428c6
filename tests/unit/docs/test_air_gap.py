# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about sites without access to the internet names every image, by its reference."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from istio_ambient import kube, manifests

from tests.unit.docs import pages

PAGE = "how-to/air-gap.md"
MARKER = "held equal to the code: tests/unit/docs/test_air_gap.py"
CONTROL_PLANE = manifests.ControlPlane(namespace="istio-system")


def images(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield the images of the pods of a workload."""
    pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
    for containers in ("containers", "initContainers"):
        for container in pod.get(containers, ()):
            yield container["image"]


def images_of_pods() -> set[str]:
    """Return the images of the workloads that the charm applies, and of those istiod makes."""
    applied = [kube.manifest_of(obj) for obj in manifests.render(CONTROL_PLANE)]
    (injection,) = (m for m in applied if m["metadata"]["name"] == "istio-sidecar-injector")
    values = json.loads(injection["data"]["values"])["global"]
    made = f"{values['hub']}/{values['proxy']['image']}:{values['tag']}-{values['variant']}"
    return {image for manifest in applied for image in images(manifest)} | {made}


def images_of_charms() -> set[str]:
    charms = (pages.DOCS.parent / "charms").glob("*/charmcraft.yaml")
    metadata = [yaml.safe_load(charm.read_text()) for charm in charms]
    resources = [each for charm in metadata for each in charm["resources"].values()]
    return {each["upstream-source"] for each in resources if each["type"] == "oci-image"}


def test_the_table_has_every_image_and_no_other():
    rows = pages.table(PAGE, MARKER)
    assert sorted(pages.quoted(row[0])[0] for row in rows) == sorted(
        images_of_pods() | images_of_charms()
    )


def test_the_commands_copy_every_image():
    text = (pages.DOCS / PAGE).read_text()
    (names,) = re.findall(r"for image in (.*); do", text)
    assert {f"docker.io/istio/{name}" for name in names.split()} == {
        image.partition(":")[0] for image in images_of_pods()
    }
    for image in images_of_charms():
        assert f"skopeo copy --all docker://{image} " in text
