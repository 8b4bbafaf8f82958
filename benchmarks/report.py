"""A run's results as a table for people and as a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table


def systems_of(report: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(s for work in report["works"] for s in work["systems"]))


def table(report: dict[str, Any]) -> Table:
    """Times as multiples of the limit, with CPU seconds and peak memory of this engine."""
    systems = [s for s in systems_of(report) if s != "limit"]
    machine = report["machine"]
    grid = Table(
        title=f"{report['when']}, {machine['cpu']}, {machine['cores']} cores; multiples of the limit, lower is better"
    )
    for heading in ("work", "limit", *systems, "reach", "floe CPU", "floe peak", "limit peak"):
        grid.add_column(heading, justify="left" if heading == "work" else "right")
    for work in report["works"]:
        results = work["systems"]
        cells = [work["title"], seconds(results["limit"])]
        cells += [ratio(results.get(system), work["reach"] if system == "floe" else None) for system in systems]
        floe = results.get("floe", {})
        cells += [f"{work['reach']:g}", cpu(floe), megabytes(floe), megabytes(results["limit"])]
        grid.add_row(*cells)
    return grid


def seconds(result: dict[str, Any]) -> str:
    return f"{result['seconds'] * 1000:,.1f} ms" if "seconds" in result else "failed"


def cpu(result: dict[str, Any]) -> str:
    return f"{result['cpu_seconds']:.3f} s" if "cpu_seconds" in result else ""


def megabytes(result: dict[str, Any]) -> str:
    return f"{result['peak_bytes'] / 1e6:,.0f} MB" if "peak_bytes" in result else ""


def ratio(result: dict[str, Any] | None, reach: float | None) -> str:
    if result is None:
        return "–"
    if "ratio" not in result:
        return "failed"
    text = f"{result['ratio']:.2f}"
    if reach is None:
        return text
    return f"[green]{text}[/]" if result["ratio"] <= reach else f"[red]{text}[/]"


def plot(report: dict[str, Any], path: Path) -> None:
    """Horizontal bars on a logarithmic axis: one group per work, one bar per system, the limit as a line at 1."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    systems = [s for s in systems_of(report) if s != "limit"]
    works = list(reversed(report["works"]))
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.22 * len(works) * max(len(systems), 2)))
    height = 0.8 / max(len(systems), 1)
    for i, system in enumerate(systems):
        where = [w + 0.4 - height * (i + 0.5) for w in range(len(works))]
        ratios = [work["systems"].get(system, {}).get("ratio") or float("nan") for work in works]
        bars = axes.barh(where, ratios, height=height, label=system)
        axes.bar_label(bars, labels=["" if r != r else f"{r:.2f}" for r in ratios], padding=2, fontsize=7)
    for w, work in enumerate(works):
        axes.plot([work["reach"]] * 2, [w - 0.4, w + 0.4], color="black", linestyle=":", linewidth=1.2)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(works)), [work["title"] for work in works], fontsize=8)
    axes.set_xlabel("time as a multiple of the raw limit (line at 1; dotted: what floe is to reach)")
    axes.margins(x=0.12)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(systems), fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
