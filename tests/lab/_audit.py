# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The requests that reached the API server, from its audit log."""

import dataclasses
import json
import pathlib
import time
from typing import Any

_ANSWER_TIMEOUT = 10.0
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclasses.dataclass(frozen=True)
class AuditEvent:
    """One request."""

    verb: str
    """Of Kubernetes: get, list, watch, create, update, patch, delete, deletecollection."""
    uri: str
    """With the query, which holds `fieldManager`."""
    code: int
    """HTTP status; 0 for a watch that is still open."""
    user: str
    user_agent: str
    resource: str
    """Plural, with the subresource after a slash: `deployments`, `pods/status`."""
    namespace: str
    name: str

    @property
    def write(self) -> bool:
        """Whether the request could change an object."""
        return self.verb in _WRITES


class Audit:
    """Reads the audit log of the lab's API server; the lab's own components are not in it."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def mark(self) -> int:
        """Return the current position in the log, for `since`."""
        return self._path.stat().st_size if self._path.exists() else 0

    def since(self, mark: int, user: str | None = None) -> list[AuditEvent]:
        """Return the requests after a mark, in the order of arrival.

        Waits until each of them is answered, watches excepted.

        Args:
            mark: From `mark`.
            user: Only this user's.

        Raises:
            TimeoutError: A request is not answered within ten seconds.
        """
        deadline = time.monotonic() + _ANSWER_TIMEOUT
        while True:
            received, answered = self._read(mark, user)
            open_requests = [
                event
                for audit_id, event in received.items()
                if audit_id not in answered and event.verb != "watch"
            ]
            if not open_requests:
                return [answered.get(audit_id, event) for audit_id, event in received.items()]
            if time.monotonic() > deadline:
                raise TimeoutError(f"not answered: {open_requests}")
            time.sleep(0.05)

    def _read(
        self, mark: int, user: str | None
    ) -> tuple[dict[str, AuditEvent], dict[str, AuditEvent]]:
        received: dict[str, AuditEvent] = {}
        answered: dict[str, AuditEvent] = {}
        with self._path.open("rb") as log:
            log.seek(mark)
            for line in log:
                if not line.endswith(b"\n"):  # The last line is still being written.
                    break
                entry: dict[str, Any] = json.loads(line)
                if user is not None and entry["user"]["username"] != user:
                    continue
                event = _event(entry)
                if entry["stage"] == "RequestReceived":
                    received[entry["auditID"]] = event
                elif entry["stage"] in {"ResponseComplete", "Panic"}:
                    answered[entry["auditID"]] = event
        return received, answered


def _event(entry: dict[str, Any]) -> AuditEvent:
    reference: dict[str, str] = entry.get("objectRef", {})
    parts = [reference.get("resource", ""), reference.get("subresource", "")]
    return AuditEvent(
        verb=entry["verb"],
        uri=entry["requestURI"],
        code=entry.get("responseStatus", {}).get("code", 0),
        user=entry["user"]["username"],
        user_agent=entry.get("userAgent", ""),
        resource="/".join(part for part in parts if part),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
    )
