# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""One change to one object, as requests: bound to what was read, and compared with the answer."""

import logging
import re
from collections.abc import Mapping

import msgspec
from lightkube.types import PatchType

from istio_ambient.kube import _compare, _faults, _kinds, _requests
from istio_ambient.kube._client import Client, prepare_decoder
from istio_ambient.kube._faults import Fault, RequestError
from istio_ambient.kube._identity import Identity
from istio_ambient.kube._objects import Manifest, Ref, Resource, manifest_of
from istio_ambient.kube._plan import Change, Verb

logger = logging.getLogger(__name__)

_IMMUTABLE = r"field is immutable|cannot change roleRef|updates to .* are forbidden"
"""The API server's own words where an object cannot become the desired one."""
_DENIED = "denied"
"""In the words of every admission webhook and admission policy, which may answer with 422 too."""
_MAX_NAME = 253
RECREATION_SECONDS = 10.0
"""What a deletion needs to be left before it, and the creation after it has in any case."""


class Write(msgspec.Struct, frozen=True):
    """One request to write: the change itself, or its interim content."""

    change: Change
    is_interim: bool = False

    @property
    def manifest(self) -> Manifest:
        """The object that is sent; empty for a deletion."""
        return (self.change.interim if self.is_interim else self.change.manifest) or {}

    def __str__(self) -> str:
        return f"{self.change.verb} {self.change.ref}"


class Outcome(msgspec.Struct, frozen=True):
    """What came of a write."""

    answer: Resource | None = None
    """The object as the API server keeps it now; None: it is deleted, or nothing is known."""
    fault: Fault | None = None
    altered: bool = False
    """Whether the API server keeps other content than was sent, beside metadata."""


class Writer(msgspec.Struct, frozen=True):
    """Sends writes of one owner.

    Args:
        client: used from several threads at once.
        identity: the owner.
        written: objects as this run left them.
    """

    client: Client
    identity: Identity
    written: Mapping[Ref, Resource]

    def send(self, write: Write) -> Outcome:
        """Send a write, with the requests that show whether it lasts."""
        change = write.change
        try:
            if change.verb is Verb.DELETE and not write.is_interim:
                self._delete(change)
                return Outcome()
            # Nothing is written again and again that does not last.
            fault = self._would_fail(write) if change.repairs else None
            return Outcome(fault=fault) if fault else self._compared(write, self._put(write))
        except RequestError as error:
            return Outcome(fault=_faults.fault_of(error, self.identity))

    def _would_fail(self, write: Write) -> Fault | None:
        """Return what a dry run shows; that an object has to be recreated is no fault."""
        try:
            return self._compared(write, self._put(write, dry_run=True)).fault
        except RequestError as error:
            if not _is_recreatable(write.change, error):
                raise
        return None

    def _compared(self, write: Write, answer: Resource) -> Outcome:
        """Return a fault where the API server's answer is not what was sent to it."""
        found = _compare.differences(write.manifest, manifest_of(answer))
        if not found:
            return Outcome(answer)
        altered = not all(path.startswith("metadata.") for path in found)
        return Outcome(answer, _faults.changed_on_write(write.change.ref, found[0]), altered)

    def _put(self, write: Write, *, dry_run: bool = False) -> Resource:
        change = write.change
        try:
            if change.verb is Verb.REPLACE:
                return self._replace(write, dry_run=dry_run)
            # An object that somebody else has made since it was read stays as it is.
            bound = {"uid": change.uid} if change.uid else {}
            if change.verb is Verb.CREATE:
                bound = {"resourceVersion": _requests.ABSENT}
            return self._apply(write, change.ref, bound, dry_run=dry_run)
        except RequestError as error:
            if change.verb is Verb.CREATE and error.code == 409 and not dry_run:
                return self._created(change, error)
            if dry_run or not _is_recreatable(change, error):
                raise
            return self._recreate(write, error)

    def _created(self, change: Change, conflict: RequestError) -> Resource:
        """Return an object that was created although the answer to it was lost.

        The repetition of such a request is a conflict with the object itself.

        Raises:
            RequestError: it is of somebody else.
        """
        ref = change.ref
        found = _requests.read(self.client, change.kind, ref.name, ref.namespace)
        if not self.identity.owns(manifest_of(found)):
            raise conflict
        return found

    def _recreate(self, write: Write, reason: RequestError) -> Resource:
        """Delete an object and create it again, once it is known that it can be created."""
        ref = write.change.ref
        other = msgspec.structs.replace(ref, name=f"{ref.name[: _MAX_NAME - 6]}-tried")
        absent = {"resourceVersion": _requests.ABSENT}
        self._apply(write, other, absent, dry_run=True)
        if not self.client.has_time(RECREATION_SECONDS):
            text = "no time is left to delete and create it, the next hook does"
            raise RequestError(str(write), text, transient=True)
        logger.warning("recreate %s, since %s", ref, reason.message)
        self._delete(write.change)
        self.client.extend(RECREATION_SECONDS)
        return self._apply(write, ref, absent)

    def _apply(
        self, write: Write, ref: Ref, bound: Mapping[str, str], *, dry_run: bool = False
    ) -> Resource:
        # A resourceVersion would bind the apply to the very version that was read.
        metadata = {k: v for k, v in write.manifest["metadata"].items() if k != "resourceVersion"}
        return _requests.send_patch(
            self.client,
            write.change.kind,
            ref,
            {**write.manifest, "metadata": {**metadata, "name": ref.name, **bound}},
            self.identity.field_manager,
            PatchType.APPLY,
            dry_run=dry_run,
            doing=str(write),
        )

    def _replace(self, write: Write, *, dry_run: bool) -> Resource:
        """PUT an object; once more where only its status changed since it was read (409)."""
        change, metadata = write.change, write.manifest["metadata"]
        kind, ref = change.kind, change.ref
        # `from_dict` decodes as well.
        prepare_decoder(kind)
        if ref in self.written:
            metadata = {**metadata, **_version(self.written[ref])}

        def put(version: Manifest) -> Resource:
            obj = kind.from_dict({**write.manifest, "metadata": {**metadata, **version}})
            manager = self.identity.field_manager
            return _requests.replace(self.client, obj, manager, dry_run=dry_run, doing=str(write))

        try:
            return put({})
        except RequestError as error:
            if error.code != 409:
                raise
            current = _version(_requests.read(self.client, kind, ref.name, ref.namespace))
            known = current["generation"] is not None
            if not known or current["generation"] != metadata.get("generation"):
                raise
        return put(current)

    def _delete(self, change: Change) -> None:
        """Delete the object that was read, and no other that has its name by now."""
        kind, ref = change.kind, change.ref
        written = self.written.get(ref)
        version = (written.metadata.resourceVersion or "") if written else change.version
        try:
            self._delete_version(change, version)
        except RequestError as error:
            if error.code != 409:
                raise
            with _faults.absence_allowed():
                current = _requests.read(self.client, kind, ref.name, ref.namespace)
                # Only its status, or what does not make it anybody else's, has changed.
                if current.metadata.uid == change.uid and self.identity.owns(manifest_of(current)):
                    self._delete_version(change, current.metadata.resourceVersion or "")

    def _delete_version(self, change: Change, version: str) -> None:
        bound = {"uid": change.uid, "resourceVersion": version}
        known = {key: value for key, value in bound.items() if value}
        _requests.delete(self.client, change.kind, change.ref.name, change.ref.namespace, known)


def _is_recreatable(change: Change, error: RequestError) -> bool:
    """Return whether an object could not be written since a field is immutable."""
    is_immutable = error.code == 422 and re.search(_IMMUTABLE, error.message) is not None
    is_known = change.ref.kind in _kinds.RECREATABLE and change.uid != ""
    return is_immutable and is_known and _DENIED not in error.message


def _version(obj: Resource) -> Manifest:
    """Return what tells an object's versions apart; the generation is that of its content."""
    metadata = obj.metadata
    return {"resourceVersion": metadata.resourceVersion, "generation": metadata.generation}
