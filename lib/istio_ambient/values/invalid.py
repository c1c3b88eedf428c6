# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Former names of `problems.InvalidValueError` and its companions, for the readers of options."""

from istio_ambient.values.problems import InvalidValueError, inside
from istio_ambient.values.text import shown

OptionError = InvalidValueError

__all__ = ["OptionError", "inside", "shown"]
