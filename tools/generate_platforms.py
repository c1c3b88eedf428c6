# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Write the page of platforms from the table of the preflight's conditions.

python -m tools.generate_platforms            # write docs/reference/platforms.md
python -m tools.generate_platforms --check    # exit 1 when the file differs
"""

import itertools
import sys
from collections.abc import Iterator

from istio_ambient import manifests, preflight
from istio_ambient.preflight import Area, Condition, Effect

from tools import generated_page

TARGET = generated_page.ROOT / "docs/reference/platforms.md"
FIRST_LINE = "<!-- Generated from lib/istio_ambient/preflight: make generate -->"
_INTRODUCTION = """\
# Platforms

What an ambient mesh needs of a Kubernetes cluster. `istio-k8s` reads it on every event, and
`juju run -m istio-system istio-k8s/0 check` shows it row by row
([check](actions.md#the-check-of-a-cluster)), before anything is
installed too. The number of requests does not depend on the size of the cluster."""
_FOLDERS = """\
## Folders of CNI files

With `platform=auto` the charm reads the platform from a node. `cni-bin-dir` and `cni-conf-dir`
take precedence over the folders of the platform."""
_NOTES = """\
- **K3s and k3d with another CNI** than their own flannel have the folders of plain Kubernetes:
  `auto` recognizes that by the DaemonSets of Calico, Canal and Cilium, and by flannel's annotation
  of the node.
- **minikube** keeps network namespaces in Docker's folder where its container runtime is Docker,
  whatever its driver is. With containerd and CRI-O, `auto` takes the folders of plain Kubernetes.
- **GKE** permits pods of priority `system-node-critical` outside `kube-system` only with a
  ResourceQuota: the charm makes one.
- **OpenShift**: Istio's documentation puts istio-cni and ztunnel into `kube-system` there. Juju
  installs a model into a namespace of its own, so the charm does not. What holds: both get the
  SecurityContextConstraint `privileged` by a role, and istiod trusts the ztunnel of its own
  namespace. Red Hat's OpenShift Service Mesh too installs them outside of `kube-system`. What does
  not: Istio does not test this, and neither does this project."""
_EFFECTS = {
    Effect.INSTALL: "blocks",
    Effect.WARN: "warns",
    Effect.CHECK: "`check` alone",
}
_LEGEND = """\
## Conditions

*blocks*: nothing is installed, and the status is *blocked*; a mesh that runs is still maintained,
with the finding in its status. `cni-preflight=warn` installs in spite of settings of the CNI.
*warns*: the status is *active*, and has the finding. *`check` alone*: it is about applications,
whose objects hooks do not read. The code leads to the reason and to the setting to change."""


def page() -> str:
    """Return the page."""
    parts = (FIRST_LINE, _INTRODUCTION, _FOLDERS, _folders(), _NOTES, _LEGEND)
    return "\n\n".join((*parts, *_sections())) + "\n"


def _folders() -> str:
    lines = ["| `platform` | plugins | configuration | network namespaces |", "|---|---|---|---|"]
    for name, facts in manifests.PLATFORMS.items():
        shown = f"`{name}`" if name else "empty: any other"
        folders = (facts.cni_bin_dir, facts.cni_conf_dir, facts.cni_netns_dir)
        lines.append(f"| {shown} | {' | '.join(f'`{each}`' for each in folders)} |")
    return "\n".join(lines)


def _sections() -> Iterator[str]:
    for about, group in itertools.groupby(preflight.CONDITIONS, key=lambda each: each.about):
        yield f"### {about}"
        conditions = list(group)
        head = "| | code | what is read | what is wrong |\n|---|---|---|---|\n"
        yield head + "\n".join(map(_row, conditions))
        sources = dict.fromkeys(source for each in conditions for source in each.sources)
        yield "Sources: " + "; ".join(map(_link, sources)) + "."


def _row(condition: Condition) -> str:
    code = condition.code
    title = condition.title[0].upper() + condition.title[1:]
    effect = _EFFECTS[condition.effect]
    link = f"[{code.id}](problems.md#{code.id.lower()})"
    area = ", a setting of the CNI" if _is_up_to_option(condition) else ""
    return f"| {title} | {link} {effect}{area} | {condition.reads} | {condition.wrong} |"


def _is_up_to_option(condition: Condition) -> bool:
    return condition.area is Area.CNI and condition.effect is Effect.INSTALL


def _link(source: str) -> str:
    title, _, address = source.rpartition(": ")
    return f"[{title}]({address})"


def main() -> int:
    """Run the command; return its exit status."""
    return generated_page.run(TARGET, page(), "conditions", __doc__)


if __name__ == "__main__":
    sys.exit(main())
