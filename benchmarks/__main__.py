"""`python -m benchmarks run`: every work with every system, interleaved; JSON, a table and a plot."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.peers import REQUIREMENTS, python_for
from benchmarks.report import plot, table
from benchmarks.work import Work
from benchmarks.works import WORKS

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent
app = typer.Typer(add_completion=False, no_args_is_help=True)


def measure(work: Work, system: str, scratch: Path) -> dict[str, Any]:
    """One process: one work with one system. A failure is reported, and is no measurement."""
    command = [
        str(python_for(system, ROOT)),
        "-m",
        "benchmarks.worker",
        work.name,
        system,
        str(HERE / "data"),
        str(scratch),
    ]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["died"])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def machine() -> dict[str, Any]:
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown")  # fmt: skip
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def chosen(only: list[str] | None, peers: str, large: bool) -> tuple[list[Work], list[str]]:
    unknown = [p for p in peers.split() if p not in REQUIREMENTS] + [n for n in only or [] if n not in WORKS]
    if unknown:
        raise typer.BadParameter(
            f"unknown: {', '.join(unknown)}; peers: {' '.join(REQUIREMENTS)}; works: {' '.join(WORKS)}"
        )
    works = [w for w in WORKS.values() if (w.name in only if only else w.large == large)]
    return works, ["limit", "floe", *peers.split()]


@app.command()
def prepare(
    only: Annotated[list[str] | None, typer.Argument(help="works to run, by name; all of them by default")] = None,
    peers: Annotated[str, typer.Option(help="peers to run beside, separated by spaces")] = "",
    large: Annotated[bool, typer.Option(help="the works that need a large disk")] = False,
) -> None:
    """Make the data and the peers' environments, which `run` does as well: afterwards it only measures."""
    works, systems = chosen(only, peers, large)
    for system in systems:
        python_for(system, ROOT)
    for work in works:
        typer.echo(f"data for {work.name}")
        work.data(HERE / "data")


@app.command()
def run(
    only: Annotated[list[str] | None, typer.Argument(help="works to run, by name; all of them by default")] = None,
    peers: Annotated[str, typer.Option(help="peers to run beside, separated by spaces")] = "",
    rounds: Annotated[int, typer.Option(help="how often each is measured, in turn; the median counts")] = 3,
    large: Annotated[bool, typer.Option(help="the works that need a large disk")] = False,
) -> None:
    """Measure, print a table, and write results/<time>.json and .png."""
    works, systems = chosen(only, peers, large)
    results = HERE / "results"
    scratch = HERE / "data" / "scratch"
    for folder in (results, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    measured: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with Progress(console=Console(stderr=True)) as progress:
        turns = {w.name: [s for i in range(rounds) for s in systems if s in w.systems and (i == 0 or s not in w.once)]
                 for w in works}  # fmt: skip
        task = progress.add_task("measuring", total=sum(map(len, turns.values())) + len(works))
        for work in works:
            progress.update(task, description=f"data for {work.name}")
            work.data(HERE / "data")
            progress.advance(task)
            for system in turns[work.name]:
                progress.update(task, description=f"{work.name}: {system}")
                measured.setdefault(work.name, {}).setdefault(system, []).append(measure(work, system, scratch))
                progress.advance(task)
    when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    report: dict[str, Any] = {
        "when": when,
        "machine": machine(),
        "works": [summary(work, measured[work.name]) for work in works],
    }
    stem = results / when.replace(":", "").replace("+0000", "Z")
    stem.with_suffix(".json").write_text(json.dumps(report, indent=1))
    print_report(report)
    plot(report, stem.with_suffix(".png"))
    typer.echo(f"Wrote {stem.with_suffix('.json').relative_to(ROOT)} and .png beside it.")


def summary(work: Work, measured: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians per system, and ratios to the limit."""
    systems: dict[str, dict[str, Any]] = {}
    for system, runs in measured.items():
        good = [r for r in runs if "error" not in r]
        if not good:
            systems[system] = {"error": runs[0]["error"]}
            continue
        systems[system] = {
            key: statistics.median(r[key] for r in good) for key in ("seconds", "cpu_seconds", "peak_bytes")
        }
        systems[system]["facts"] = good[-1]["facts"]
    limit = systems["limit"].get("seconds")
    for result in systems.values():
        if limit and "seconds" in result:
            result["ratio"] = result["seconds"] / limit
    return {"name": work.name, "title": work.title, "limit": work.limit, "reach": work.reach, "systems": systems}


def disagreement(work: dict[str, Any]) -> str:
    """What systems gave back different results for, which none may."""
    found = []
    for fact in ("rows", "files", "commits", "current"):
        values = {s: r["facts"][fact] for s, r in work["systems"].items() if fact in r.get("facts", {})}
        if len(set(values.values())) > 1:
            found.append(f"{fact}: " + ", ".join(f"{s} {value:,}" for s, value in values.items()))
    return "; ".join(found)


def facts(work: dict[str, Any]) -> str:
    """What was noted beside times: the size of the output, how later commits compare with earlier ones."""
    kinds = ("bytes", "growth_permille", "row_groups", "p99_ms", "orphans", "requests")
    noted = {s: {k: v for k, v in r.get("facts", {}).items() if k in kinds} for s, r in work["systems"].items()}
    return "; ".join(f"{s} " + ", ".join(f"{k} {v:,}" for k, v in f.items()) for s, f in noted.items() if f)


def print_report(report: dict[str, Any]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    console.print(table(report))
    for work in report["works"]:
        if noted := facts(work):
            console.print(f"{work['name']}: {noted}", markup=False)
        if different := disagreement(work):
            console.print(f"{work['name']}: the systems DISAGREE: {different}", markup=False)
        for system, result in work["systems"].items():
            if "error" in result:
                console.print(f"{work['name']}, {system}, failed: {result['error']}", markup=False)


@app.command()
def show(report: Annotated[Path, typer.Argument(help="a results/*.json")]) -> None:
    """Print the table of an earlier run."""
    print_report(json.loads(report.read_text()))


if __name__ == "__main__":
    app()
