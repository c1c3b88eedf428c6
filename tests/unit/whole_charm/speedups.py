# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Leaves out what every run would do anew: istio-k8s takes 0.5 s without this, 0.06 s with it.

The schemas of custom resource definitions are left out, templates are compiled once, YAML is read
and written by libyaml and each text once, and requests to the cluster, which is in memory, are
sent one after the other. Nothing here depends on names in the library.
"""

import concurrent.futures
import contextlib
import functools
import json
import marshal
import re
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from unittest import mock

import jinja2
import yaml

_DATE = re.compile(r"\d{4}-\d")
DEFINITIONS = "crds"
"""Folder of the definitions: files of one line of comment, and a JSON list."""

_read_text = Path.read_text
_from_string = jinja2.Environment.from_string
_safe_load: Any = yaml.safe_load
_safe_load_all: Any = yaml.safe_load_all
_safe_dump: Any = yaml.safe_dump


@contextlib.contextmanager
def active() -> Generator[None]:
    """Be faster while this lasts."""
    with (
        mock.patch.object(concurrent.futures, "ThreadPoolExecutor", _Immediate),
        mock.patch.object(Path, "read_text", _outlined),
        mock.patch.object(jinja2.Environment, "from_string", _compiled),
        mock.patch.object(yaml, "SafeLoader", yaml.CSafeLoader),
        mock.patch.object(yaml, "SafeDumper", yaml.CSafeDumper),
        mock.patch.object(yaml, "safe_load", _loaded),
        mock.patch.object(yaml, "safe_load_all", _all_loaded),
        mock.patch.object(yaml, "safe_dump", _dumped),
    ):
        yield


class _Immediate(concurrent.futures.Executor):
    """An executor that does at once what is submitted."""

    def __init__(self, max_workers: int | None = None):
        self._workers = max_workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return what holds the result, or what was raised."""
        done = Future[Any]()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


def _outlined(path: Path, *arguments: Any, **options: Any) -> str:
    if path.parent.name == DEFINITIONS:
        return _outline(path)
    return _read_text(path, *arguments, **options)


@functools.cache
def _outline(path: Path) -> str:
    """Return definitions without their schemas."""
    comment, _, body = _read_text(path).partition("\n")
    objects = json.loads(body)
    versions = (each for found in objects for each in found["spec"].get("versions", ()))
    for version in versions:
        version["schema"] = {"openAPIV3Schema": {"type": "object"}}
    return f"{comment}\n{json.dumps(objects)}"


@functools.cache
def _compiled(environment: jinja2.Environment, source: str) -> jinja2.Template:
    return _from_string(environment, source)


def _loaded(stream: Any) -> Any:
    return marshal.loads(_document(stream)) if _is_plain(stream) else _safe_load(stream)  # noqa: S302


def _all_loaded(stream: Any) -> Any:
    return marshal.loads(_documents(stream)) if _is_plain(stream) else _safe_load_all(stream)  # noqa: S302


def _dumped(data: Any, *arguments: Any, **options: Any) -> Any:
    if arguments or options:
        return _safe_dump(data, *arguments, **options)
    try:
        return _text(marshal.dumps(data))
    except ValueError:  # Not of plain values.
        return _safe_dump(data)


def _is_plain(stream: Any) -> bool:
    """Return whether a text has values of JSON only: a date may not be marshalled."""
    return isinstance(stream, str) and _DATE.search(stream) is None


@functools.cache
def _document(text: str) -> bytes:
    return marshal.dumps(_safe_load(text))


@functools.cache
def _documents(text: str) -> bytes:
    return marshal.dumps(list(_safe_load_all(text)))


@functools.cache
def _text(data: bytes) -> str:
    return _safe_dump(marshal.loads(data))  # noqa: S302 - what it wrote itself
