# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Build the programs of the lab only: `python -m tests.lab.build`."""

import sys

from tests.lab import _binaries


def main() -> int:
    """Build the programs; return the exit status."""
    try:
        _binaries.ensure()
    except _binaries.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
