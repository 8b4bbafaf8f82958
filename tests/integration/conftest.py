"""What tests that ask Spark share."""

from __future__ import annotations

import itertools

import pytest

from floe_iceberg import FloeCatalog, load_catalog
from testing.fixtures.services import Spark

_names = (f"ns{n}" for n in itertools.count())


@pytest.fixture
def ours(spark: Spark) -> FloeCatalog:
    """The catalog that Spark has as `floe`."""
    return load_catalog("floe", type="sql", **spark.properties)


@pytest.fixture
def ns(ours: FloeCatalog) -> str:
    """A namespace of the test's own."""
    name = next(_names)
    ours.create_namespace(name)
    return name
