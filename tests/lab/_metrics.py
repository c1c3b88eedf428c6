# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The metrics that programs serve, and the metrics that they define."""

import re
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from tests.eventually import eventually
from tests.lab import _binaries, _kubelet, _namespaces, _objects

_TIMEOUT = 10.0
_ZTUNNEL_PORT = 15020


def of_pod(
    kubelet: _kubelet.Kubelet, namespace: str, name: str, port: int | None, path: str = "/metrics"
) -> str:
    """See `Cluster.metrics` and `Cluster.ztunnel_config`."""

    def scraped() -> str:
        found = [
            real
            for (where, pod), real in sorted(kubelet.real_pods().items())
            if where == namespace and pod.startswith(name)
        ]
        assert found, f"no real pod {namespace}/{name}…"
        real = found[0]
        try:
            if port is not None:
                return _namespaces.get(real.namespace, port, path)
            annotations = _objects.texts(real.pod, "metadata", "annotations")
            where = annotations.get("prometheus.io/path", path)
            url = f"http://{real.address}:{annotations['prometheus.io/port']}{where}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError as error:
            raise AssertionError(f"{namespace}/{name}…: {error!r}") from error

    return eventually(scraped, _TIMEOUT)


def of_node_ztunnel(kubelet: _kubelet.Kubelet, namespace: str) -> str:
    """See `Cluster.node_ztunnel_metrics`."""
    with kubelet.node_ztunnel(namespace) as network:

        def scraped() -> str:
            try:
                return _namespaces.get(network, _ZTUNNEL_PORT, "/metrics")
            except OSError as error:
                raise AssertionError(f"{network}: {error!r}") from error

        return eventually(scraped, _TIMEOUT)


def defined_by_istiod() -> set[str]:
    """Return the names of all metrics that istiod defines, as the program documents them.

    istiod serves a counter only after the first event that it counts.
    """
    with tempfile.TemporaryDirectory() as folder:
        program = _binaries.program("istiod")
        subprocess.run(
            [program, "collateral", "--html_fragment_with_front_matter", "-o", folder],
            check=True,
            capture_output=True,
        )
        (page,) = Path(folder).glob("*.html")
        return set(re.findall(r"<tr><td><code>(\w+)</code>", page.read_text()))


def defined_by_istio_cni() -> set[str]:
    """Return the names of the metrics in the pinned source of istio-cni.

    istio-cni does not run here: it would change the network of the machine.
    """
    sources = (_binaries.folder() / "istio-cni").rglob("*.go")
    pattern = re.compile(r'monitoring\.New\w+\(\s*"(\w+)"')
    return {name for path in sources for name in pattern.findall(path.read_text())}
