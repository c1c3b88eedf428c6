# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""ztunnel out of an image, by the real skopeo, from a registry on loopback."""

import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import ztunnel
from tests.unit.ztunnel.registry import ARCHITECTURES, HERE, Registry, digest_of, layer

TAG = "1-distroless"
ZTUNNEL = "usr/local/bin/ztunnel"
PATIENT = ztunnel.Limits(answer=60, whole=60)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def find(
    registry: Registry,
    cache: Path,
    digest: str | None = None,
    limits: ztunnel.Limits = PATIENT,
) -> ztunnel.Program | ztunnel.Missing:
    image = ztunnel.Image(registry.repository, TAG, digest)
    return ztunnel.find({}, cache, image, limits)


def content(result: ztunnel.Program | ztunnel.Missing) -> str:
    assert isinstance(result, ztunnel.Program), result
    return result.path.read_text()


def reason(result: ztunnel.Program | ztunnel.Missing, cache: Path) -> str:
    """Return why there is none; nothing may be kept then."""
    assert isinstance(result, ztunnel.Missing), result
    assert str(result).startswith("no ztunnel, so what only ztunnel decides is NOT RUN: ")
    assert not cache.exists() or list(cache.iterdir()) == []
    return result.reason


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """Return an entry that is no regular file."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("prefix", ["", "./", "/"])
def test_layers_of_either_kind(registry: Registry, cache: Path, compressed: bool, prefix: str):
    registry.push(TAG, [layer((prefix + ZTUNNEL, "here"))], compressed)
    result = find(registry, cache)
    assert content(result) == "here"
    assert isinstance(result, ztunnel.Program)
    assert result.path.stat().st_mode & 0o777 == 0o755


def test_the_image_of_this_machine_is_taken(registry: Registry, cache: Path):
    images = {name: [layer((ZTUNNEL, name))] for name in ARCHITECTURES.values()}
    digest = registry.push_index(TAG, images)
    assert content(find(registry, cache, digest)) == HERE


def test_a_digest_is_one_image_wherever_its_tag_points(registry: Registry, cache: Path):
    pinned = registry.push(TAG, [layer((ZTUNNEL, "pinned"))])
    later = registry.push(TAG, [layer((ZTUNNEL, "later"))])
    assert content(find(registry, cache, pinned)) == "pinned"
    assert content(find(registry, cache, later)) == "later"
    assert {path.name for path in cache.iterdir()} == {
        f"ztunnel-{TAG}-{digest.replace(':', '-')}" for digest in (pinned, later)
    }


@pytest.mark.parametrize("pinned", [True, False], ids=["digest", "tag"])
def test_what_is_kept_needs_no_registry(registry: Registry, cache: Path, pinned: bool):
    digest = registry.push(TAG, [layer((ZTUNNEL, "kept"))])
    first = find(registry, cache, digest if pinned else None)
    assert digest.replace(":", "-") in str(first)
    registry.close()
    assert find(registry, cache, digest if pinned else None) == first
    # What is kept of one digest is not taken for another.
    assert isinstance(find(registry, cache, f"sha256:{'0' * 64}"), ztunnel.Missing)


OLD = layer((ZTUNNEL, "old"))
FOLDER = special("usr/local/bin", tarfile.DIRTYPE)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([OLD, layer((ZTUNNEL, "new"))], "new"),
        ([OLD, layer(("etc/passwd", "root"))], "old"),
        ([OLD, layer(FOLDER, ("usr/local/bin/other", "other"))], "old"),
        ([OLD, layer(("usr/local/bin/.wh.ztunnel", ""))], None),
        ([OLD, layer(("usr/local/.wh.bin", ""))], None),
        ([OLD, layer((".wh.usr", ""))], None),
        ([OLD, layer(FOLDER, ("usr/local/bin/.wh..wh..opq", ""))], None),
        ([OLD, layer(("usr/.wh..wh..opq", ""))], None),
        ([OLD, layer(("usr/local/bin/.wh.other", ""), (".wh.etc", ""))], "old"),
        ([OLD, layer(("usr/local/bin/.wh.ztunnel", "")), layer((ZTUNNEL, "again"))], "again"),
        # A whiteout takes away what is in lower layers, not what comes with it.
        ([OLD, layer(("usr/local/bin/.wh..wh..opq", ""), (ZTUNNEL, "with it"))], "with it"),
        ([OLD, layer((ZTUNNEL, "twice"), (ZTUNNEL, "in one layer"))], "in one layer"),
        ([OLD, layer(special("usr/local/bin", tarfile.SYMTYPE, "/bin"))], None),
    ],
)
def test_the_last_layer_decides(
    registry: Registry, cache: Path, layers: Sequence[bytes], expected: str | None
):
    registry.push(TAG, layers)
    result = find(registry, cache)
    if expected is None:
        assert f"{TAG}: there is no /{ZTUNNEL} in it" in reason(result, cache)
    else:
        assert content(result) == expected


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE])
def test_what_is_no_file_is_not_taken(registry: Registry, cache: Path, kind: bytes):
    registry.push(TAG, [OLD, layer(special(ZTUNNEL, kind, "/etc/passwd"))])
    assert f"/{ZTUNNEL} is no regular file" in reason(find(registry, cache), cache)


def test_a_layer_that_is_no_archive(registry: Registry, cache: Path):
    registry.push(TAG, [b"nothing of the kind" * 100])
    assert "a layer is no tar archive" in reason(find(registry, cache), cache)


def test_a_manifest_of_another_digest_is_refused(registry: Registry, cache: Path):
    digest = registry.push(TAG, [OLD])
    registry.serve_instead(digest, registry.push("other", [layer((ZTUNNEL, "other"))]))
    assert "does not match provided manifest digest" in reason(
        find(registry, cache, digest), cache
    )


def test_a_layer_of_another_digest_is_refused(registry: Registry, cache: Path):
    other = layer((ZTUNNEL, "OLD"))
    registry.push("other", [other], compressed=False)
    registry.push(TAG, [OLD], compressed=False)
    registry.serve_instead(digest_of(OLD), digest_of(other))
    assert "Digest did not match" in reason(find(registry, cache), cache)


@pytest.mark.parametrize("place", ["/v2/", "/manifests/"])
def test_a_registry_that_does_not_answer(registry: Registry, cache: Path, place: str):
    registry.push(TAG, [OLD])
    registry.hang_at = place
    said = reason(find(registry, cache, limits=ztunnel.Limits(answer=1, whole=60)), cache)
    assert said == f"{registry.repository}:{TAG}: no answer within 1 s"


def test_a_registry_that_stops_in_the_middle(registry: Registry, cache: Path):
    registry.push(TAG, [OLD])
    registry.hang_at = "/blobs/"
    said = reason(find(registry, cache, limits=ztunnel.Limits(answer=60, whole=1)), cache)
    assert said == f"{registry.repository}:{TAG}: not copied within 1 s"


def test_no_registry(registry: Registry, cache: Path):
    registry.close()
    assert "connection refused" in reason(find(registry, cache), cache)


def test_no_such_image(registry: Registry, cache: Path):
    assert "manifest unknown" in reason(find(registry, cache), cache).lower()


def test_no_skopeo(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(cache))
    assert reason(ztunnel.find({}, cache), cache) == "skopeo is not installed"


DIGEST = f"sha256:{'0123456789abcdef' * 4}"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("docker.io/istio/ztunnel:1.2.3", ("docker.io/istio/ztunnel", "1.2.3", None)),
        (f"docker.io/istio/ztunnel:1@{DIGEST}", ("docker.io/istio/ztunnel", "1", DIGEST)),
        ("127.0.0.1:5000/ztunnel:1", ("127.0.0.1:5000/ztunnel", "1", None)),
    ],
)
def test_a_reference_is_read(reference: str, expected: tuple[str, str, str | None]):
    image = ztunnel.Image.parse(reference)
    assert (image.repository, image.tag, image.digest) == expected
    assert str(image) == reference


@pytest.mark.parametrize(
    "reference",
    [
        "docker.io/istio/ztunnel",
        "127.0.0.1:5000/ztunnel",
        f"docker.io/istio/ztunnel@{DIGEST}",
        f"docker.io/istio/ztunnel:1@{DIGEST[:-1]}",
        "docker.io/istio/ztunnel:*",
        "docker.io/istio/ztunnel:",
    ],
)
def test_what_is_no_reference_is_an_error(reference: str):
    with pytest.raises(ValueError, match="no image reference"):
        ztunnel.Image.parse(reference)
