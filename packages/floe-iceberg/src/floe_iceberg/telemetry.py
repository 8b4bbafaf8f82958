"""Spans and metrics of operations, by OpenTelemetry: nothing unless the program sets up its SDK.

Spans are named ``iceberg.<operation>`` and carry the table's name. Metrics are ``floe.iceberg.operations``, a count,
and ``floe.iceberg.operation.duration``, a histogram in seconds; both by operation and by outcome.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from floe_iceberg.secrets import without_secrets

TRACER_NAME = "floe-iceberg"

_MESSAGE_LENGTH = 500
# What these come from is a stand-in until the program sets up an SDK.
_METER = metrics.get_meter(TRACER_NAME)
_OPERATIONS = _METER.create_counter("floe.iceberg.operations", "1", "Operations on tables.")
_DURATION = _METER.create_histogram("floe.iceberg.operation.duration", "s", "What operations on tables take.")


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
        attributes: More about it, with ``_`` for ``.``: ``write_mode`` becomes ``write.mode``.
    """
    started = time.perf_counter()
    outcome = "success"
    spanned = {key.replace("_", "."): value for key, value in attributes.items()}
    tracer = trace.get_tracer(TRACER_NAME)
    with tracer.start_as_current_span(
        f"iceberg.{name}",
        attributes={"operation": name, "table.identifier": table, **spanned},
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
            labels = {"operation": name, "outcome": outcome}
            _OPERATIONS.add(1, labels)
            _DURATION.record(time.perf_counter() - started, labels)


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
