# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""etcd and the processes of Kubernetes: their flags, their order, and when they are ready."""

import dataclasses
import pathlib
import ssl
import time
import urllib.error
import urllib.request

import yaml

from tests.lab import _binaries, _certificates, _container_logs, _network, _process

NODE_NAME = "lab-0"
API_SERVER = "https://127.0.0.1:6443"
KUBERNETES_SERVICE = "10.96.0.1"
ADMINISTRATORS = ("system:masters",)
COMPONENT_PREFIX = "lab-component:"
"""Prefix of the user names of the lab's own clients, which the audit log omits."""

_ETCD = "http://127.0.0.1:2379"
_ETCD_PEER = "http://127.0.0.1:2380"
_READY_TIMEOUT = 60.0

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [
        {"level": "None", "userGroups": ["lab:components"]},
        {"level": "None", "users": ["system:apiserver", "system:anonymous"]},
        {"level": "Metadata"},
    ],
}


@dataclasses.dataclass
class ControlPlane:
    """etcd, kube-apiserver, controllers, kube-scheduler and kube-proxy as child processes."""

    folder: pathlib.Path
    """Scratch space: data, keys, kubeconfigs."""
    logs: pathlib.Path
    processes: list[_process.Process] = dataclasses.field(default_factory=list[_process.Process])

    def start_api_server(self) -> None:
        """Start etcd and the API server; return when the API server serves requests.

        Raises:
            ComponentError: A component died, or is not ready in time.
        """
        self.certificate_authority = _certificates.CertificateAuthority(self.folder / "pki")
        self._signing_key, public_key = _certificates.service_account_keys(self.folder / "pki")
        self._start(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            f"--listen-peer-urls={_ETCD_PEER}",
            f"--initial-advertise-peer-urls={_ETCD_PEER}",
            f"--initial-cluster=default={_ETCD_PEER}",
            "--unsafe-no-fsync",
        )
        names = ["localhost", "127.0.0.1", _network.NODE_ADDRESS, KUBERNETES_SERVICE]
        names += ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        certificate, key = self.certificate_authority.server("kube-apiserver", names)
        client_certificate, client_key = self.certificate_authority.user(
            "kube-apiserver-kubelet-client", ADMINISTRATORS
        )
        policy = self.folder / "audit-policy.yaml"
        policy.write_text(yaml.safe_dump(_AUDIT_POLICY))
        self._start(
            "kube-apiserver",
            f"--etcd-servers={_ETCD}",
            f"--advertise-address={_network.NODE_ADDRESS}",
            "--secure-port=6443",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.certificate_authority.certificate}",
            # istiod accepts tokens of this issuer only.
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={public_key}",
            f"--service-account-signing-key-file={self._signing_key}",
            "--authorization-mode=RBAC",
            f"--service-cluster-ip-range={_network.SERVICE_CIDR}",
            "--allow-privileged=true",
            # For the logs of pods, see `_container_logs`.
            f"--kubelet-client-certificate={client_certificate}",
            f"--kubelet-client-key={client_key}",
            f"--kubelet-certificate-authority={self.certificate_authority.certificate}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.logs / 'audit.log'}",
        )
        self._wait_until_served()

    def start_controllers(self) -> None:
        """Start the controllers, the scheduler and kube-proxy."""
        kubeconfig = f"--kubeconfig={self.component_kubeconfig('controllers')}"
        fast = ("--kube-api-qps=500", "--kube-api-burst=1000", "--leader-elect=false")
        self._start(
            "kube-controller-manager",
            kubeconfig,
            *fast,
            f"--service-account-private-key-file={self._signing_key}",
            f"--root-ca-file={self.certificate_authority.certificate}",
            "--controllers=*,-node-ipam-controller,-cloud-node-lifecycle-controller",
            "--horizontal-pod-autoscaler-sync-period=1s",
            "--bind-address=127.0.0.1",
        )
        self._start("kube-scheduler", kubeconfig, *fast, "--bind-address=127.0.0.1")
        config = self.folder / "kube-proxy.yaml"
        config.write_text(yaml.safe_dump(self._proxy_config()))
        self._start("kube-proxy", f"--config={config}")

    def kubeconfig(self, user: str, groups: tuple[str, ...]) -> pathlib.Path:
        """Return a kubeconfig of a user in these groups."""
        certificate, key = self.certificate_authority.user(user, groups)
        return _certificates.kubeconfig(
            certificate.with_suffix(".kubeconfig"),
            API_SERVER,
            self.certificate_authority.certificate,
            {"client-certificate": str(certificate), "client-key": str(key)},
        )

    def kubelet_files(self) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
        """Return the kubelet's certificate and key, and the certificate of the authority."""
        names = [NODE_NAME, _network.NODE_ADDRESS]
        certificate, key = self.certificate_authority.server("kubelet-server", names)
        return certificate, key, self.certificate_authority.certificate

    def component_kubeconfig(self, name: str) -> pathlib.Path:
        """Return a kubeconfig of one of the lab's own clients, which the audit log omits."""
        return self.kubeconfig(f"{COMPONENT_PREFIX}{name}", (*ADMINISTRATORS, "lab:components"))

    def start_kwok(self) -> None:
        """Start kwok; its Stages are objects in the cluster."""
        self._start(
            "kwok",
            f"--kubeconfig={self.component_kubeconfig('kwok')}",
            "--manage-all-nodes=true",
            f"--cidr={_network.KWOK_POD_CIDR}",
            f"--node-ip={_network.NODE_ADDRESS}",
            # In the node's status: kwok's own server listens elsewhere.
            f"--node-port={_container_logs.PORT}",
            "--server-address=127.0.0.1:10247",
            "--enable-crds=Stage",
        )

    def check(self) -> None:
        """Raise `ComponentError` if a component ended."""
        for process in self.processes:
            process.check()

    def stop(self) -> None:
        """End all components."""
        for process in reversed(self.processes):
            process.kill()

    def _start(self, name: str, *arguments: str) -> None:
        command = [str(_binaries.program(name)), *arguments]
        self.processes.append(_process.Process(name, command, self.logs))

    def _proxy_config(self) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": NODE_NAME,
            "clientConnection": {"kubeconfig": str(self.component_kubeconfig("kube-proxy"))},
            "conntrack": {"maxPerCore": 0},
            "nftables": {"minSyncPeriod": "50ms"},
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
        }

    def _wait_until_served(self) -> None:
        context = ssl.create_default_context(cafile=str(self.certificate_authority.certificate))
        deadline = time.monotonic() + _READY_TIMEOUT
        while True:
            self.check()
            try:
                with urllib.request.urlopen(  # noqa: S310
                    f"{API_SERVER}/readyz", context=context, timeout=2
                ):
                    return
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                if time.monotonic() > deadline:
                    raise self.processes[-1].error("does not become ready") from None
                time.sleep(0.1)
