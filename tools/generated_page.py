# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The command of a tool that writes one page of the documentation from a table in the code."""

import argparse
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(target: pathlib.Path, page: str, table: str, doc: str | None) -> int:
    """Write the page, or with `--check` compare it; return the exit status.

    Args:
        target: the file of the page, below `ROOT`.
        page: the text that it should have.
        table: what it is made from, for the message.
        doc: of the tool; its first line is the description of the command.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    if not parser.parse_args().check:
        target.write_text(page)
    elif target.read_text() != page:
        print(f"{target.relative_to(ROOT)} differs from the table of {table}: make generate")
        return 1
    return 0
