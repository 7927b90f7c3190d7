"""Stores that a test has opened are closed after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.world import close_stores

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _stores_closed() -> Iterator[None]:
    yield
    close_stores()
