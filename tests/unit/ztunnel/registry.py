# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A container registry on loopback: what skopeo asks of one, and the faults that one can have.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md, pull only.
"""

import gzip
import hashlib
import http.server
import io
import json
import platform
import tarfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NAME = "istio/ztunnel"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
HERE = ARCHITECTURES.get(platform.machine(), platform.machine())
PATIENCE = 60
"""Seconds after which a connection that is left without an answer is closed."""

_OCI = "application/vnd.oci.image"
_INDEX, _MANIFEST = f"{_OCI}.index.v1+json", f"{_OCI}.manifest.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(*entries: tarfile.TarInfo | tuple[str, str]) -> bytes:
    """Return a layer: entries as they are, or files by name and content."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                name, content = entry
                file = tarfile.TarInfo(name)
                file.size = len(content)
                archive.addfile(file, io.BytesIO(content.encode()))
    return written.getvalue()


class Registry:
    """Serves what is pushed into it, until it is closed.

    Attributes:
        requests: Paths that were asked for.
        hang_at: Requests whose path contains this get no answer.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.hang_at: str | None = None
        self._served: dict[str, tuple[str, bytes]] = {"/v2/": ("application/json", b"{}")}
        self._closing = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.repository = f"{self.host}/{NAME}"

    def close(self) -> None:
        """Stop serving; nothing listens on the port then."""
        if self._thread.is_alive():
            self._closing.set()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def push(self, tag: str, layers: Sequence[bytes], compressed: bool = True) -> str:
        """Serve an image for this machine, and return its digest."""
        return self._put_manifest(tag, _MANIFEST, self._image(layers, HERE, compressed))

    def push_index(self, tag: str, images: Mapping[str, Sequence[bytes]]) -> str:
        """Serve an image of several architectures (name → layers), and return its digest."""
        manifests: list[dict[str, Any]] = []
        for architecture, layers in images.items():
            content = json.dumps(self._image(layers, architecture, compressed=True)).encode()
            self._put("manifests", digest_of(content), _MANIFEST, content)
            described = _descriptor(_MANIFEST, content)
            manifests.append(
                {**described, "platform": {"os": "linux", "architecture": architecture}}
            )
        return self._put_manifest(tag, _INDEX, {"schemaVersion": 2, "manifests": manifests})

    def serve_instead(self, digest: str, other: str) -> None:
        """Serve under the digest of a manifest or blob what another one is."""
        for kind in ("manifests", "blobs"):
            served = self._served.get(f"/v2/{NAME}/{kind}/{other}")
            if served:
                self._put(kind, digest, *served)

    def _image(
        self, layers: Iterable[bytes], architecture: str, compressed: bool
    ) -> dict[str, Any]:
        kept = list(layers)
        config = {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(each) for each in kept]},
        }
        media_type = f"{_OCI}.layer.v1.tar" + ("+gzip" if compressed else "")
        blobs = [gzip.compress(each, mtime=0) if compressed else each for each in kept]
        return {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._blob(f"{_OCI}.config.v1+json", json.dumps(config).encode()),
            "layers": [self._blob(media_type, blob) for blob in blobs],
        }

    def _blob(self, media_type: str, content: bytes) -> dict[str, Any]:
        self._put("blobs", digest_of(content), "application/octet-stream", content)
        return _descriptor(media_type, content)

    def _put_manifest(self, tag: str, media_type: str, manifest: dict[str, Any]) -> str:
        content = json.dumps(manifest).encode()
        digest = digest_of(content)
        for reference in (tag, digest):
            self._put("manifests", reference, media_type, content)
        return digest

    def _put(self, kind: str, reference: str, media_type: str, content: bytes) -> None:
        self._served[f"/v2/{NAME}/{kind}/{reference}"] = (media_type, content)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.requests.append(self.path)
                if registry.hang_at and registry.hang_at in self.path:
                    registry._closing.wait(PATIENCE)
                    self.close_connection = True
                    return
                missing = ("application/json", b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
                media_type, content = registry._served.get(self.path, missing)
                self.send_response(200 if self.path in registry._served else 404)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
