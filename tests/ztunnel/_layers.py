# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""One file out of the layers of an image, with the whiteouts of the OCI image specification.

https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class LayerError(RuntimeError):
    """The file is not in the image, or is no regular file."""


def take_out(layers: Sequence[Path], path: str, target: Path) -> None:
    """Write the content that a file has in an image.

    Args:
        layers: Uncompressed tar archives, the lowest layer first.
        path: Of the file in the image, without the leading slash.
        target: Where to write; only the content is taken, no owner and no mode.

    Raises:
        LayerError: No layer has it, a later one takes it away, or it is no regular file.
    """
    wanted = PurePosixPath(path)
    for layer in reversed(layers):
        try:
            with tarfile.open(layer, "r:") as archive:
                # An entry that comes again replaces the one before.
                entries = {_normal(entry.name): entry for entry in archive}
                if wanted in entries:
                    _write(archive, entries[wanted], target)
                    return
        except tarfile.TarError as error:
            raise LayerError(f"a layer is no tar archive: {error}") from error
        if _hides(entries, wanted):
            break
    raise LayerError(f"there is no /{path} in it")


def _write(archive: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    content = archive.extractfile(entry) if entry.isreg() else None
    if content is None:
        raise LayerError(f"/{_normal(entry.name)} is no regular file")
    with content, target.open("wb") as written:
        shutil.copyfileobj(content, written)


def _normal(name: str) -> PurePosixPath:
    """Return an entry's path without a leading `/` or `./`."""
    return PurePosixPath(name.lstrip("/"))


def _hides(entries: Mapping[PurePosixPath, tarfile.TarInfo], path: PurePosixPath) -> bool:
    """Return whether a layer takes away what the layers below it have at a path."""
    replaced = any(not entries[each].isdir() for each in path.parents if each in entries)
    return replaced or any(whiteout in entries for whiteout in _whiteouts(path))


def _whiteouts(path: PurePosixPath) -> Iterator[PurePosixPath]:
    """Yield every entry that takes a path away: of itself, or of a folder that it is in."""
    for each in (path, *path.parents[:-1]):
        yield each.with_name(_WHITEOUT + each.name)
        yield each.parent / _OPAQUE
