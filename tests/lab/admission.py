# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Admission control of somebody else: a policy that refuses, and a webhook that changes."""

import base64
import contextlib
import http.server
import json
import pathlib
import ssl
import tempfile
import threading
from collections.abc import Generator, Sequence
from typing import Any

import lightkube
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.admissionregistration_v1 import (
    MutatingWebhookConfiguration,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)
from lightkube.resources.core_v1 import ConfigMap

from tests import lab
from tests.lab import _certificates

JsonPatch = Sequence[dict[str, Any]]


@contextlib.contextmanager
def refusing(client: Any, namespace: str, plural: str, beginning: str) -> Generator[None]:
    """Refuse to create or change objects of a kind whose names have this beginning.

    Args:
        client: of an administrator.
        namespace: of the objects.
        plural: of the kind's resources: `httproutes`.
        beginning: of names; names of no object of ours begin with `probe-`.
    """
    name = f"refuse-{plural}-{namespace}"
    rule = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [plural, "configmaps"],
    }
    names = " || ".join(
        f"object.metadata.name.startsWith('{each}')" for each in (beginning, f"probe-{plural}")
    )
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        },
        "validations": [{"expression": f"!({names})", "message": "no more of these"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    objects: list[Any] = [
        ValidatingAdmissionPolicy.from_dict({"metadata": {"name": name}, "spec": policy}),  # pyright: ignore[reportUnknownMemberType]
        ValidatingAdmissionPolicyBinding.from_dict({"metadata": {"name": name}, "spec": binding}),  # pyright: ignore[reportUnknownMemberType]
    ]

    def is_refused() -> bool:
        probe = ConfigMap(metadata=ObjectMeta(name=f"probe-{plural}", namespace=namespace))
        try:
            client.create(probe, dry_run=True)
        except lightkube.ApiError:
            return True
        return False

    for obj in objects:
        client.create(obj)
    try:
        lab.eventually(is_refused)
        yield
    finally:
        for obj in objects:
            client.delete(type(obj), name)
        lab.eventually(lambda: not is_refused())


@contextlib.contextmanager
def mutating(client: Any, namespace: str, plural: str, patch: JsonPatch) -> Generator[None]:
    """Apply a JSON patch to whatever is written of a kind in a namespace.

    Args:
        client: of an administrator.
        namespace: whose objects are changed.
        plural: of the kind's resources: `authorizationpolicies`.
        patch: RFC 6902; it has to fit all objects.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answer AdmissionReviews of the API server."""

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {
                "uid": review["request"]["uid"],
                "allowed": True,
                "patchType": "JSONPatch",
                "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
            }
            body = json.dumps({**review, "response": response}).encode()
            self.send_response(http.HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with tempfile.TemporaryDirectory() as folder:
        authority = _certificates.CertificateAuthority(pathlib.Path(folder))
        certificate, key = authority.server("webhook", ["127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        bundle = base64.b64encode(authority.certificate.read_bytes()).decode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rule = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [plural],
    }
    found = {
        "name": "policies.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {
            "url": f"https://127.0.0.1:{server.server_address[1]}/",
            "caBundle": bundle,
        },
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [rule],
    }
    manifest = {"metadata": {"name": f"{plural}-{namespace}"}, "webhooks": [found]}
    configuration = MutatingWebhookConfiguration.from_dict(manifest)  # pyright: ignore[reportUnknownMemberType]
    client.create(configuration)
    try:
        yield
    finally:
        client.delete(MutatingWebhookConfiguration, f"{plural}-{namespace}")
        server.shutdown()
        server.server_close()
