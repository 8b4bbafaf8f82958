"""Spans and metrics of operations, as OpenTelemetry's own SDK receives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from floe_iceberg import load_catalog
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.telemetry import operation

_SPANS = InMemorySpanExporter()
_METRICS = InMemoryMetricReader()


@pytest.fixture(scope="module", autouse=True)
def sdk() -> None:
    """A process can be given an SDK once."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_SPANS))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([_METRICS]))


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    _SPANS.clear()
    yield _SPANS
    _SPANS.clear()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_an_operation_is_a_span_that_names_its_table(spans: InMemorySpanExporter) -> None:
    with operation("append", "ns.t", write_mode="append"):
        pass
    (span,) = spans.get_finished_spans()
    assert span.name == "iceberg.append"
    expected = {"operation": "append", "table.identifier": "ns.t", "floe.namespace": "ns", "write.mode": "append"}
    assert attributes(span) == expected
    assert span.status.is_ok


def test_a_failure_is_told_without_its_secrets(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="geheim"), operation("delete", "ns.t"):
        raise ValueError("postgresql://me:geheim@host/db refused token=geheim; " + "x" * 1000)
    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok
    assert attributes(span)["exception.type"] == "ValueError"
    message = attributes(span)["exception.message"]
    assert message.startswith("postgresql://me:***@host/db refused token=***; xxx")
    assert len(message) == 500
    assert "geheim" not in span.to_json()


def test_changes_and_commits_of_a_table_are_spans(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    catalog = load_catalog("t", type="in-memory", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    table = catalog.create_table("ns.t", pa.schema([pa.field("id", pa.int64())]))
    rows = pa.table({"id": [1, 2]})
    table.append(rows)
    table.upsert(rows, join_cols=["id"])
    with table.transaction() as transaction:
        transaction.delete("id = 1")
    with pytest.raises(InvalidArgumentError):
        table.append(pa.table({"other": [1]}))
    finished = spans.get_finished_spans()
    told = [(span.name, attributes(span)["table.identifier"], span.status.is_ok) for span in finished]
    names = ["commit", "append", "commit", "upsert", "delete", "commit", "append"]
    assert told == [(f"iceberg.{name}", "ns.t", i < 6) for i, name in enumerate(names)]
    commit, append = finished[:2]
    assert commit.parent is not None
    assert append.context is not None
    assert commit.parent.span_id == append.context.span_id


def test_operations_are_counted_and_timed_by_outcome() -> None:
    with operation("compact", "ns.t"):
        pass
    with pytest.raises(KeyError), operation("compact", "ns.t"):
        raise KeyError("x")
    data = _METRICS.get_metrics_data()
    assert data is not None
    found = {
        (metric.name, str((point.attributes or {})["outcome"]))
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if (point.attributes or {})["operation"] == "compact"
    }
    names = ("floe.iceberg.operations", "floe.iceberg.operation.duration")
    assert found == {(name, outcome) for name in names for outcome in ("success", "KeyError")}
