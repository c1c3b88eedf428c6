# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Two reads at the same time."""

import threading

import pytest
from istio_ambient import kube


def refused(what: str) -> kube.RequestError:
    return kube.RequestError(what, "refused")


def test_both_reads_are_under_way_at_the_same_time():
    both = threading.Barrier(2, timeout=10)

    def read(value: str) -> str:
        both.wait()
        return value

    assert kube.read_together(lambda: read("a"), lambda: read("b")) == ("a", "b")


@pytest.mark.parametrize("second", [refused("second"), KeyError("second")])
@pytest.mark.parametrize("first", [refused("first"), KeyError("first")])
def test_the_failure_of_the_first_read_counts_before_that_of_the_second(
    first: Exception, second: Exception
):
    def fails(error: Exception) -> None:
        raise error

    with pytest.raises(type(first), match="first"):
        kube.read_together(lambda: fails(first), lambda: fails(second))
    with pytest.raises(type(second), match="second"):
        kube.read_together(lambda: None, lambda: fails(second))
