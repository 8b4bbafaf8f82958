"""Whether a plugin fits: the version of the contracts that it was written for, and this one."""

from __future__ import annotations

import re

FLOE_PLUGIN_API_VERSION = "1.0"
FLOE_PLUGIN_API_MIN_VERSION = "1.0"

_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(\.\d{1,9})?", re.ASCII)


def is_compatible(plugin_version: str, platform_version: str = FLOE_PLUGIN_API_VERSION) -> bool:
    """Whether a plugin that was written for one version works with another: same major, and no later minor.

    >>> is_compatible("1.0", "1.2"), is_compatible("1.3", "1.2"), is_compatible("2.0", "1.2")
    (True, False, False)

    Raises:
        ValueError: One of them is not ``x.y`` or ``x.y.z``.
    """
    plugin, platform = _parsed(plugin_version), _parsed(platform_version)
    return plugin[0] == platform[0] and plugin[1] <= platform[1]


def _parsed(version: str) -> tuple[int, int]:
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise ValueError(f"{version!r} is no version of the plugin API; it has to be x.y, such as 1.0")
    return int(match[1]), int(match[2])
