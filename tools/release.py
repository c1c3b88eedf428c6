# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Upload the packed charms with their images, and release them to a channel of Charmhub.

Everything is uploaded before anything is released, so that a channel never has a part of a release
because an upload failed. ``CHARMCRAFT_AUTH`` has the credentials, as ``charmcraft login --export``
writes them.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHANNEL = re.compile(r"([a-z0-9][a-z0-9.-]*/)?(edge|beta|candidate|stable)(/[a-z0-9][a-z0-9.-]*)?")
CHARMCRAFT = str(Path(sys.executable).with_name("charmcraft"))


@dataclass(frozen=True)
class Charm:
    """A charm as it is released."""

    folder: Path
    archives: tuple[Path, ...]
    """One for each platform."""
    images: dict[str, str]
    """The source of each image resource, by the resource's name."""

    @property
    def name(self) -> str:
        """The charm's name in the store."""
        return self.folder.name


def charm(folder: Path, build: Path) -> Charm:
    """Return the charm in ``folder`` with the archives that ``make pack`` made of it.

    Raises:
        FileNotFoundError: it was not packed for each of its platforms.
    """
    project: dict[str, Any] = yaml.safe_load((folder / "charmcraft.yaml").read_text())
    archives = tuple(
        build / f"{folder.name}_{platform.replace(':', '-')}.charm"
        for platform in project["platforms"]
    )
    for archive in archives:
        if not archive.is_file():
            raise FileNotFoundError(
                f"{archive} is missing: run make pack on a machine of that base"
            )
    images = {name: each["upstream-source"] for name, each in project["resources"].items()}
    return Charm(folder, archives, images)


def revision(folder: Path, *arguments: str) -> int:
    """Run charmcraft in ``folder`` and return the revision that it made."""
    made = subprocess.run(
        [CHARMCRAFT, *arguments, "--format=json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(json.loads(made.stdout)["revision"])


def release(charms: Sequence[Charm], channel: str) -> None:
    """Upload ``charms``, then release all of them to ``channel``."""
    releases: list[list[str]] = []
    for each in charms:
        # A resource can be uploaded once a revision of the charm has declared it.
        revisions = [revision(each.folder, "upload", str(path)) for path in each.archives]
        images = [
            f"--resource={name}:"
            f"{revision(each.folder, 'upload-resource', each.name, name, f'--image=docker://{image}')}"
            for name, image in each.images.items()
        ]
        releases += [
            ["release", each.name, f"--revision={number}", f"--channel={channel}", *images]
            for number in revisions
        ]
    for arguments in releases:
        subprocess.run([CHARMCRAFT, *arguments], check=True)


def main(arguments: Sequence[str]) -> int:
    """Release the charms in ``charms/`` to the channel that is named."""
    parser = argparse.ArgumentParser(description="Release build/*.charm to a channel.")
    parser.add_argument("channel", help="such as latest/edge")
    channel: str = parser.parse_args(arguments).channel
    if not CHANNEL.fullmatch(channel):
        parser.error(f"{channel!r} is no channel: [<track>/]<risk>[/<branch>]")
    projects = sorted((ROOT / "charms").glob("*/charmcraft.yaml"))
    try:
        release([charm(project.parent, ROOT / "build") for project in projects], channel)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
