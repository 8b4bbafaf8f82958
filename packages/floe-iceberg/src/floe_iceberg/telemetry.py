"""Spans and metrics of operations, by OpenTelemetry: nothing unless the program sets up its SDK. And log records.

Spans are named ``iceberg.<operation>`` and carry the table's name. Metrics are ``floe.iceberg.operations``, a count,
and ``floe.iceberg.operation.duration``, a histogram in seconds, both by operation and by outcome (``success``, or the
error); and ``floe.iceberg.rows`` and ``floe.iceberg.bytes``, of the files that the plugin's writes add and remove, by
operation and by direction. The logger ``floe_iceberg`` has a record of each operation (INFO), with ``operation``,
``table_identifier``, ``outcome`` and ``duration_ms`` as fields.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from floe_iceberg.secrets import without_secrets

if TYPE_CHECKING:
    from floe_iceberg.table import FloeTable

TRACER_NAME = "floe-iceberg"

_MESSAGE_LENGTH = 500
# What these come from is a stand-in until the program sets up an SDK.
_METER = metrics.get_meter(TRACER_NAME)
_OPERATIONS = _METER.create_counter("floe.iceberg.operations", "1", "Operations on tables.")
_DURATION = _METER.create_histogram("floe.iceberg.operation.duration", "s", "What operations on tables take.")
_ROWS = _METER.create_counter("floe.iceberg.rows", "1", "Rows in files that came to tables, or left them.")
_BYTES = _METER.create_counter("floe.iceberg.bytes", "By", "Files that came to tables, or left them.")
_LOG = logging.getLogger("floe_iceberg")


class Named(Protocol):
    """What operations are traced of: its name is in their spans."""

    @property
    def _full_name(self) -> str: ...


_P = ParamSpec("_P")
_T = TypeVar("_T")
_N = TypeVar("_N", bound=Named)


@contextmanager
def operation(name: str, table: str, **attributes: AttributeValue) -> Iterator[Span]:
    """A span around an operation on a table, and its count and duration.

    Args:
        name: The operation, such as ``append``.
        table: The table's full name.
        attributes: More about it, with ``_`` for the first ``.``: ``write_mode`` becomes ``write.mode``.
    """
    started = time.perf_counter()
    outcome = "success"
    spanned = {key.replace("_", ".", 1): value for key, value in attributes.items()}
    tracer = trace.get_tracer(TRACER_NAME)
    with tracer.start_as_current_span(
        f"iceberg.{name}",
        attributes={"operation": name, "table.identifier": table, "floe.namespace": _namespace(table), **spanned},
        record_exception=False,  # its message and its traceback may hold secrets
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except BaseException as error:
            outcome = type(error).__name__
            message = without_secrets(str(error))[:_MESSAGE_LENGTH]
            span.set_status(Status(StatusCode.ERROR, message))
            span.set_attributes({"exception.type": outcome, "exception.message": message})
            raise
        finally:
            seconds = time.perf_counter() - started
            labels = {"operation": name, "outcome": outcome}
            _OPERATIONS.add(1, labels)
            _DURATION.record(seconds, labels)
            fields = {"operation": name, "table_identifier": table, "outcome": outcome, "duration_ms": seconds * 1000}
            _LOG.info("%s of %s: %s after %.1f ms", name, table, outcome, seconds * 1000, extra=fields)


def traced(
    name: str, **attributes: AttributeValue
) -> Callable[[Callable[Concatenate[_N, _P], _T]], Callable[Concatenate[_N, _P], _T]]:
    """Put a method of a table into :func:`operation`."""

    def wrap(method: Callable[Concatenate[_N, _P], _T]) -> Callable[Concatenate[_N, _P], _T]:
        @functools.wraps(method)
        def inner(self: _N, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
            with operation(name, self._full_name, **attributes):
                return method(self, *args, **kwargs)

        return inner

    return wrap


def count_rows(span: Span, name: str, table: FloeTable, snapshot_id: int) -> None:
    """Say on the span, and in metrics, what a snapshot added and removed. Nothing if nobody listens."""
    has_sdk = not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")
    if not (span.is_recording() or has_sdk):
        return
    snapshot = table.snapshot_by_id(snapshot_id)
    summary = {} if snapshot is None or snapshot.summary is None else snapshot.summary.additional_properties

    def total(*keys: str) -> int:
        return sum(int(summary[key]) for key in keys if summary.get(key, "").isdecimal())

    rows = {"added": total("added-records"), "removed": total("deleted-records", "added-position-deletes")}
    sizes = {"added": total("added-files-size"), "removed": total("removed-files-size")}
    span.set_attributes(
        {
            "iceberg.snapshot.id": snapshot_id,
            "iceberg.records.added": rows["added"],
            "iceberg.records.removed": rows["removed"],
            "iceberg.files.added": total("added-data-files"),
            "iceberg.bytes.added": sizes["added"],
        }
    )
    for direction in ("added", "removed"):
        labels = {"operation": name, "direction": direction}
        _ROWS.add(rows[direction], labels)
        _BYTES.add(sizes[direction], labels)


def _namespace(table: str) -> str:
    return table.rpartition(".")[0]
