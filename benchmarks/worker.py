"""Runs one work with one system in a process of its own and prints the measurement as JSON."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.works import WORKS


def reset_peak_memory() -> int:
    """Start counting the peak of resident memory anew; returns what is resident now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def memory(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status lacks {field}")


def main() -> None:
    name, system, data, scratch_root = sys.argv[1:]
    work = WORKS[name]
    with tempfile.TemporaryDirectory(dir=scratch_root) as scratch:
        run = work.systems[system](Path(data), Path(scratch))
        calls = 1 if system in work.once else work.repeat
        before = reset_peak_memory()
        cpu_before = resource.getrusage(resource.RUSAGE_SELF)
        seconds, facts = [], {}
        for _ in range(calls):
            start = time.perf_counter()
            facts = run()
            seconds.append(time.perf_counter() - start)
        cpu_after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = (cpu_after.ru_utime + cpu_after.ru_stime - cpu_before.ru_utime - cpu_before.ru_stime) / calls
        result = {
            "seconds": statistics.median(seconds),
            "cpu_seconds": cpu,
            "peak_bytes": memory("VmHWM") - before,
            "facts": facts,
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
