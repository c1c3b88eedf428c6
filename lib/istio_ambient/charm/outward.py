# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The one way of texts into logs and results of actions: they hold what others wrote."""

import logging
from collections.abc import Mapping
from typing import Any

import ops

from istio_ambient.values.text import printable, printable_lines

_MAX_FAILURE = 1_000
_MAX_RECORD = 2_000
"""Characters of one message in the log."""


def set_results(event: ops.ActionEvent, results: Mapping[str, Any]) -> None:
    """Set the results of an action; each line of a text is printable."""
    event.set_results(
        {
            key: printable_lines(value) if isinstance(value, str) else value
            for key, value in results.items()
        }
    )


def fail(event: ops.ActionEvent, message: str) -> None:
    """Fail an action with a printable message of limited length."""
    event.fail(printable(message, _MAX_FAILURE))


def set_up_logs() -> None:
    """Log what an operator reads, in printable lines; a second call changes nothing.

    Under Juju each line is a process, `juju-log`. Below INFO, Juju drops it by default
    (`logging-config`), and the HTTP client has a dozen such lines for each request.
    """
    logging.getLogger().setLevel(logging.INFO)
    # It logs each request as INFO.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_printable_record)


def _printable_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage(), _MAX_RECORD), None
    return True
