"""The works of this benchmark, by kind. Each system does the same thing; what it gives back must agree."""

from __future__ import annotations

from benchmarks.work import Work
from benchmarks.works.changing import CHANGES
from benchmarks.works.cleaning import CLEANING
from benchmarks.works.committing import APPENDS, CONTENDED, EVOLUTION, LOAD
from benchmarks.works.face import FACE
from benchmarks.works.planning import INSPECTIONS, PLANS
from benchmarks.works.reading import BLOOM, SCANS
from benchmarks.works.requesting import REQUESTS
from benchmarks.works.upkeep import COMPACTION
from benchmarks.works.writing import APPEND, PARTITIONS

EVERY = [
    APPEND,
    *PARTITIONS,
    *SCANS,
    BLOOM,
    *PLANS,
    *INSPECTIONS,
    APPENDS,
    CONTENDED,
    *REQUESTS,
    *LOAD,
    EVOLUTION,
    *FACE,
    *CHANGES,
    *COMPACTION,
    *CLEANING,
]
WORKS: dict[str, Work] = {work.name: work for work in EVERY}
