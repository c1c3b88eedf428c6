# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The process of a hook or an action."""

import logging

import ops


def main(charm: type[ops.CharmBase]) -> None:
    """Run the event that Juju started this process for; nothing below INFO is logged.

    Under Juju each line of the log is a process, and by default Juju drops those below INFO. ops
    writes the first of them before there is a charm that could set levels.
    """
    logging.disable(logging.DEBUG)
    ops.main(charm)
