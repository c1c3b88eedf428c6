# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The official image of the pinned Istio release, and how ztunnel is taken out of it."""

import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.ztunnel import _layers

PROGRAM = "usr/local/bin/ztunnel"
"""Path in the image, without the leading slash."""

_REFERENCE = re.compile(
    r"(?P<repository>[^@\s]+):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LOGGED = re.compile(r'msg="((?:[^"\\]|\\.)*)"')


class FetchError(RuntimeError):
    """The program could not be taken out of the image; the message holds the reason."""


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in a container registry."""

    repository: str
    """With the registry's host, without a tag: `docker.io/istio/ztunnel`."""
    tag: str
    digest: str | None = None
    """`sha256:` and 64 hexadecimal digits, of the manifest or of the multi-platform index."""

    @classmethod
    def parse(cls, reference: str) -> "Image":
        """Read `<repository>:<tag>` or `<repository>:<tag>@sha256:<digest>`.

        Raises:
            ValueError: It is neither.
        """
        matched = _REFERENCE.fullmatch(reference)
        if matched is None:
            raise ValueError(f"no image reference with a tag: {reference!r}")
        return cls(matched["repository"], matched["tag"], matched["digest"])

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def source(self) -> str:
        """As skopeo takes it: by digest where there is one, since it refuses tag and digest."""
        return f"docker://{self.repository}" + (
            f"@{self.digest}" if self.digest else f":{self.tag}"
        )


IMAGE = Image.parse("docker.io/istio/ztunnel:1.31.4-distroless")
"""The pin; this is its only place. `@sha256:…` after the tag pins the content as well: without it,
the tag is resolved to a digest when the image is fetched for the first time."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long a registry may take, in seconds."""

    answer: float = 15
    """Until it has answered with the manifest: name lookup, connection and TLS included."""
    whole: float = 300
    """Until the image is here, counted from that answer."""


LIMITS = Limits()


def cached(image: Image, folder: Path) -> Path | None:
    """Return the program of an image that `fetch` has kept in a folder.

    An image without a digest is any digest that its tag had.
    """
    found = folder.glob(_file_name(image.tag, image.digest or "sha256:*"))
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def fetch(image: Image, folder: Path, limits: Limits) -> Path:
    """Take the program out of an image in a registry, and keep it in a folder by digest.

    What is kept is whole: it is renamed to its place when it is complete. skopeo picks the image
    of this machine's architecture, and verifies the digests of manifest and layers.

    Raises:
        FetchError: There is no skopeo, the registry does not answer in time, what it serves does
            not have the digest that was asked for, or there is no such program in the image.
    """
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        raise FetchError("skopeo is not installed")
    inspect = [skopeo, "inspect", "--raw", image.source]
    manifest = _run(inspect, limits.answer, f"{image}: no answer")
    digest = image.digest or f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    source = dataclasses.replace(image, digest=digest).source
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".ztunnel-") as name:
        copied, program = Path(name) / "image", Path(name) / "ztunnel"
        copy = [skopeo, "copy", "--quiet", "--dest-decompress", source, f"dir:{copied}"]
        _run(copy, limits.whole, f"{image}: not copied")
        try:
            _layers.take_out(_layers_of(copied), PROGRAM, program)
        except _layers.LayerError as error:
            raise FetchError(f"{image}: {error}") from error
        program.chmod(0o755)
        return program.rename(folder / _file_name(image.tag, digest))


def _file_name(tag: str, digest: str) -> str:
    return f"ztunnel-{tag}-{digest.replace(':', '-')}"


def _layers_of(copied: Path) -> list[Path]:
    """Return the layers of what skopeo wrote, the lowest first (its transport `dir`)."""
    manifest = json.loads((copied / "manifest.json").read_text())
    return [copied / layer["digest"].partition(":")[2] for layer in manifest.get("layers", [])]


def _run(command: list[str], limit: float, late: str) -> bytes:
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{late} within {limit:g} s") from error
    if result.returncode != 0:
        raise FetchError(_reason(result.stderr.decode(errors="replace")))
    return result.stdout


def _reason(stderr: str) -> str:
    """Return what skopeo's last line of log says."""
    last = (stderr.strip().splitlines() or ["skopeo failed without a word"])[-1]
    logged = _LOGGED.search(last)
    return logged[1].replace(r"\"", '"') if logged else last
