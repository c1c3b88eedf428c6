# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import pytest

from . import _results
from ._intended import INTENDED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter):
    """Print what was compared, if all configurations were."""
    numbers = range(len(_results.configurations()))
    if _results.result.cache_info().currsize < len(numbers):
        return
    results = [*map(_results.result, numbers), _results.compare_crds()]
    objects = sum(result.objects for result in results)
    unintended = sum(len(result.unintended) for result in results)
    terminalreporter.write_line(
        f"fidelity: {objects} objects over {len(numbers)} configurations, "
        f"{len(INTENDED)} differences intended, {unintended} not"
    )
