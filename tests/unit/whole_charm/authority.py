# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The other end of `certificates`: an authority that answers what a charm asked for.

Its relation in a scenario has one of these keys, besides the usual ones:

```
issues     name of the authority that signs all requests; with it may stand
             names   what the certificates are for, instead of what was asked for
             days    how many days they last from now
             ca      true: they are for authorities
denies     the error that it answers to all requests with: {code, name, message}
```
"""

import base64
import datetime
import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.authorities import Authority
from tests.unit.whole_charm.fake_cluster import Manifest


def answers(ours: Mapping[str, str], remote: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an authority adds to its databag.

    Args:
        ours: the databag of the charm, with its requests.
        remote: the relation, as a scenario has it.
    """
    requests = json.loads(ours.get("certificate_signing_requests", "[]"))
    asked = [each["certificate_signing_request"] for each in requests]
    if "denies" in remote:
        return {"request_errors": [{"csr": csr, "error": remote["denies"]} for csr in asked]}
    if "issues" in remote:
        return {"certificates": [_issued(csr, remote) for csr in asked]}
    return {}


@functools.cache
def _authority(name: str) -> Authority:
    return Authority.make(name, Authority.make(f"{name} root"))


def _issued(request: str, remote: Mapping[str, Any]) -> dict[str, Any]:
    authority = _authority(remote["issues"])
    options: dict[str, Any] = {"ca": remote.get("ca", False)}
    if "days" in remote:
        now = datetime.datetime.now(datetime.UTC)
        options["end"] = now + datetime.timedelta(days=remote["days"])
    if "names" in remote:
        options["names"] = [x509.DNSName(name) for name in remote["names"]]
    certificate = authority.sign(request, **options)
    return {
        "certificate": certificate,
        "certificate_signing_request": request,
        "ca": authority.path[-1],
        "chain": [certificate, *authority.path],
    }


def certificate_in(manifests: Iterable[Manifest]) -> dict[str, Any]:
    """Return what is in the TLS Secret of a cluster; nothing where there is none.

    `issuer` is its name, `path` the number of certificates, `key` whether the private key belongs
    to the first of them.
    """
    for manifest in manifests:
        if manifest["kind"] == "Secret" and manifest.get("type") == "kubernetes.io/tls":
            chain, key = (base64.b64decode(manifest["data"][k]) for k in ("tls.crt", "tls.key"))
            path = x509.load_pem_x509_certificates(chain)
            private = serialization.load_pem_private_key(key, password=None)
            return {
                "issuer": path[0].issuer.rfc4514_string(),
                "path": len(path),
                "key": private.public_key() == path[0].public_key(),
            }
    return {}
