"""What is measured: a work has a limit (what raw code needs for the same), and systems that do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

#: Prepares a system (opens the table, imports what it needs; not timed) and gives back what is timed.
#: What the timed call returns are facts to report and to compare: `rows` must agree between systems.
Run = Callable[[], dict[str, int]]
Prepare = Callable[[Path, Path], Run]


@dataclass(frozen=True)
class Work:
    """One row of the benchmark.

    Attributes:
        name: short, unique, for the command line.
        title: what is done, as in the report.
        limit: what raw code does for the same work.
        reach: the multiple of the limit that this engine should need at most.
        data: builds the input below a folder, once; later runs find it there.
        systems: how each system does it; "limit" is one of them. Each gets the data folder and an empty scratch folder.
        repeat: timed calls in one process (the median counts); 1 where a call changes what it works on.
        once: systems that take so long that one call in one round has to do.
        large: takes long or much disk; runs only under `--large`.
    """

    name: str
    title: str
    limit: str
    reach: float
    data: Callable[[Path], None]
    systems: dict[str, Prepare] = field(default_factory=dict)
    repeat: int = 3
    once: frozenset[str] = frozenset()
    large: bool = False
