"""Starting, stopping and asking plugins, each within a time limit that holds whatever the plugin does."""

from __future__ import annotations

import contextvars
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata

DEFAULT_LIFECYCLE_TIMEOUT = 30.0
DEFAULT_HEALTH_CHECK_TIMEOUT = 5.0

_T = TypeVar("_T")


def check_limit(seconds: float) -> float:
    """A time limit.

    Raises:
        ValueError: It is no positive number.
    """
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError(f"a time limit of {seconds} s cannot be; it has to be a positive number")
    return seconds


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """What a call returns or raises, if it ends in time.

    A call that does not is left alone, on a thread that does not keep the process from ending.

    >>> within(5, lambda: 6 * 7)
    42

    Raises:
        TimeoutError: It did not end in time.
        ValueError: The limit is no positive number.
    """
    check_limit(seconds)
    outcome: list[_T] = []
    raised: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome.append(context.run(call))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="floe-within", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not outcome:
        raise TimeoutError(f"it did not end within {seconds:g} s")
    return outcome[0]


def check_health(plugin: PluginMetadata, timeout: float = DEFAULT_HEALTH_CHECK_TIMEOUT) -> HealthStatus:
    """How well a plugin says it is, or that it is unhealthy because it did not say in time, or raised.

    The details have ``response_time_ms``, ``checked_at`` and, of what was raised, ``exception_type``.
    """
    started = time.monotonic()
    try:
        status = within(timeout, lambda: plugin.health_check(timeout=timeout))
    except Exception as error:
        # The message of a stranger's exception may have a secret in it.
        said = f"no answer within {timeout:g} s" if isinstance(error, TimeoutError) else "the health check failed"
        status = HealthStatus(HealthState.UNHEALTHY, said, {"exception_type": type(error).__name__})
    return HealthStatus(status.state, status.message, {**timing(started), **status.details})


def timing(started: float) -> dict[str, object]:
    """What the details of a health check say about when it was, given when it began (``time.monotonic``)."""
    return {
        "response_time_ms": round((time.monotonic() - started) * 1000, 3),
        "checked_at": datetime.now(UTC).isoformat(),
    }
