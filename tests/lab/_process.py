# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The lab's processes, each with a log file, whose end is shown when the process dies."""

import contextlib
import os
import pathlib
import signal
import subprocess
from collections.abc import Mapping, Sequence


class ComponentError(RuntimeError):
    """A component died or did not become ready; the message ends with its log's last lines."""


class Process:
    """A child process in a session of its own, so that Ctrl-C on the terminal does not reach it.

    Args:
        name: Names the log file.
        command: Program and arguments.
        logs: Folder of the log file.
        environment: The complete environment; by default this process's.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        logs: pathlib.Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The status with which the process ended; None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise `ComponentError` if the process ended."""
        if not self.alive:
            raise self.error(f"ended with status {self._process.returncode}")

    def error(self, problem: str) -> ComponentError:
        """Return an error about this process that shows the end of its log."""
        return ComponentError(f"{self.name} {problem}; the end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(line[:500] for line in text.splitlines()[-lines:])

    def terminate(self) -> None:
        """Send SIGTERM; `alive` shows when the process has ended."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process and its children at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # It has ended already.
            os.killpg(self._process.pid, number)
