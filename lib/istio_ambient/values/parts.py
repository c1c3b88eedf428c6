# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Lists that are divided, so that each part has a limited size and length."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def parts(
    elements: Iterable[T], size: Callable[[T], int], *, limit: int, most: int | None = None
) -> Iterator[tuple[T, ...]]:
    """Yield the elements in parts; no elements give one empty part.

    Args:
        elements: in the order of the result.
        size: of one element; it is called once for each.
        limit: of the sizes in one part; an element that is larger is a part of its own.
        most: elements in one part; None: any number.
    """
    part: list[T] = []
    total = 0
    for element in elements:
        its_size = size(element)
        if part and (total + its_size > limit or len(part) == most):
            yield tuple(part)
            part, total = [], 0
        part.append(element)
        total += its_size
    yield tuple(part)
