"""Print results for a person: machine and versions, one table a section, then the ratios."""

from collections.abc import Iterable, Sequence

from benchmarks.measure import Spread
from benchmarks.results import OURS, Missing, Ratio, Row, ratios

Cells = tuple[str, ...]
HEADINGS: Cells = ("case", "subject", "CPU s, median (min-max)", "per unit", "groups per CPU s", "peak MB", "flagged")


def render(about: dict[str, str], rows: Sequence[Row], missing: Iterable[Missing]) -> str:
    """Return the whole report as text."""
    parts = ["  ".join(f"{name}: {value}" for name, value in about.items())]
    for section in dict.fromkeys(row.section for row in rows):
        cells = [HEADINGS, *(_cells(row) for row in rows if row.section == section)]
        parts.append(f"{section}\n{_table(cells)}")
    lines = [
        f"{ratio.times_ours:8.2f} x CPU{_memory(ratio)}  {ratio.section}, {ratio.comparison}: {ratio.subject}"
        for ratio in ratios(rows)
    ]
    if lines:
        parts.append(f"CPU per unit of work and peak of memory, as multiples of {OURS}\n" + "\n".join(lines))
    parts.extend(f"not measured: {gap.section}, {gap.subject}: {gap.reason}" for gap in missing)
    return "\n\n".join(parts) + "\n"


def _memory(ratio: Ratio) -> str:
    return f"{ratio.memory_times_ours:6.2f} x memory" if ratio.memory_times_ours else " " * 15


def _cells(row: Row) -> Cells:
    rate = f"{row.groups / row.cpu.median:,.0f}" if row.groups and row.cpu.median else ""
    peak = f"{row.peak.median / 1e6:.0f}" if row.peak else ""
    hits = "" if row.hits is None else str(row.hits)
    return (row.comparison, row.subject, _spread(row.cpu), _unit(row), rate, peak, hits)


def _spread(spread: Spread) -> str:
    return f"{spread.median:.3f} ({spread.low:.3f}-{spread.high:.3f})"


def _unit(row: Row) -> str:
    if row.questions:
        return f"{row.unit_cost * 1e6:.2f} µs a group and question"
    return f"{row.unit_cost * 1e6:.1f} µs a group" if row.groups else f"{row.unit_cost * 1e3:.0f} ms"


def _table(rows: Sequence[Cells]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
