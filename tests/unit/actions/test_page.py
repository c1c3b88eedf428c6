# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""A page is a file of the charm, and the command of the result fetches it."""

import io
import shlex
import tarfile
from pathlib import Path

import ops
import pytest
from istio_ambient.actions import _page, _reading
from ops import testing


class Charm(ops.CharmBase):
    """A charm that writes a page when it starts."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        framework.observe(self.on.start, self._on_start)
        self.results: _reading.Results = {}

    def _on_start(self, _: ops.StartEvent) -> None:
        self.results = _page.write(self, "page.html", "é\ud800")


def copied_from_pod(command: str, there: Path) -> Path:
    """Return the file that `juju scp` makes in a folder, from a Kubernetes unit.

    Juju packs the file with tar in the container `charm`, and writes each member under the local
    path and what follows the remote path in the member's name. For a file nothing follows, so
    that a folder as the local path is an error (caas/kubernetes/provider/exec/copy.go of Juju).
    """
    scp = shlex.split(command)
    assert scp[:2] == ["juju", "scp"]
    unit, _, path = scp[2].partition(":")
    assert unit == "beacon/0"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(path)
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        (member,) = archive.getmembers()
        assert member.name.startswith(path.strip("/"))
        content = archive.extractfile(member)
        assert content is not None
        made = there / scp[3] / member.name.removeprefix(path.strip("/"))
        made.write_bytes(content.read())
    return made


def test_the_command_fetches_the_page(tmp_path: Path):
    root = tmp_path / "charm"
    root.mkdir()
    context = testing.Context(Charm, meta={"name": "beacon"}, charm_root=root)
    with context(context.on.start(), testing.State()) as manager:
        manager.run()
        results = manager.charm.results
    assert Path(results["file"]) == root / "pages" / "page.html"
    assert copied_from_pod(results["fetch"], tmp_path) == tmp_path / "page.html"
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "é?"


def test_a_file_that_cannot_be_written_fails_the_action(tmp_path: Path):
    root = tmp_path / "charm"
    root.mkdir()
    (root / "pages").write_text("in the way")
    context = testing.Context(Charm, meta={"name": "beacon"}, charm_root=root)
    with pytest.raises(testing.errors.UncaughtCharmError, match=r"page\.html cannot be written: "):
        context.run(context.on.start(), testing.State())
