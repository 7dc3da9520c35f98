"""A comparison as text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import ntkcont

if TYPE_CHECKING:
    from ntkcont.peers.report import Comparison, Single

WIDTH = 110


def text(report: Comparison) -> str:
    """Return the report as lines of text."""
    peer = report.peer_name
    low, high = report.p_span
    lines = [
        f"{report.title}: ntkcont {ntkcont.__version__} beside {report.peer.program}",
        f"{report.free} from {low:g} to {high:g}",
        "",
        f"special points: {len(report.matched)} matched, {len(report.only_ntkcont)} only ntkcont, "
        f"{len(report.only_peer)} only {peer}",
        *_matches(report),
    ]
    for who, singles in (("ntkcont", report.only_ntkcont), (peer, report.only_peer)):
        if singles:
            lines += ["", f"only {who}:", *(line for one in singles for line in _single(one, report.free))]
    lines += ["", *_stability(report), "", *_times(report)]
    if report.notes:
        lines += ["", "notes:", *(line for note in report.notes for line in _wrapped(note, "  "))]
    if report.peer.cycles:
        lines += ["", f"limit cycles of {peer} (ntkcont does not follow them):", *_cycles(report)]
    if report.peer.notes:
        lines += ["", f"notes on {peer}:", *(line for note in report.peer.notes for line in _wrapped(note, "  "))]
    return "\n".join(lines)


def _matches(report: Comparison) -> list[str]:
    if not report.matched:
        return []
    rows = [("", "ntkcont", report.peer_name, f"difference in {report.free}", "in states", "signs")]
    for match in report.matched:
        signs = ", ".join(f"{name} {_sign(a)} {_sign(b)}" for name, (a, b) in match.signs.items())
        signs += "" if match.signs_agree else " (differ)"
        rows.append(
            (
                match.ntkcont.name,
                f"{match.ntkcont.p:.12g}",
                f"{match.peer.p:.12g}",
                f"{match.dp:+.1e}",
                f"{match.dx:.1e}",
                signs or "-",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    for match in report.matched:
        if match.evidence:
            lines += _wrapped(f"{match.ntkcont.name}: {match.evidence}", "  ")
    return lines


def _sign(value: int) -> str:
    return {1: "+", -1: "-", 0: "0"}[value]


def _single(one: Single, free: str) -> list[str]:
    return _wrapped(f"{one.name} at {free} = {one.p:.12g}: {one.evidence}", "  ")


def _stability(report: Comparison) -> list[str]:
    found, peer = report.stability, report.peer_name
    if not found.compared:
        return ["stability: no common points away from changes of stability"]
    lines = [
        f"stability: the same at {found.agreeing} of {found.compared} common points ({100 * found.fraction:.4g} %)"
        + (f"; {found.elsewhere} points of {peer} lie off ntkcont's branch" if found.elsewhere else "")
    ]
    for low, high, ours, theirs in found.differs:
        where = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
        lines.append(f"  {report.free} = {where}: ntkcont {_stable(ours)}, {peer} {_stable(theirs)}")
    return lines


def _stable(value: bool) -> str:
    return "stable" if value else "unstable"


def _times(report: Comparison) -> list[str]:
    ratio = report.speedup
    words = f"ntkcont is {ratio:.3g} times faster" if ratio >= 1 else f"ntkcont is {1 / ratio:.3g} times slower"
    if not report.peer.steps:
        words = f"{report.peer_name} returned no point in the span, so there is nothing to compare"
    lines = [f"time per step: {words}"]
    width = max(map(len, report.steps))
    for who, steps in report.steps.items():
        if not steps:
            continue
        each = report.seconds_per_step[who]
        count = steps if who == "ntkcont" else int(report.peer.computed or steps)
        points = f"{count} points" + (f" ({count - steps} of them outside the span)" if count > steps else "")
        line = f"{who.ljust(width)}  {_duration(each)}, {points} in {_duration(each * count)}: {report.timed[who]}"
        lines += _wrapped(line, "  ")
    if report.peer.settings:
        lines.append(f"  {report.peer_name} with {report.peer.settings}")
    return lines


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _cycles(report: Comparison) -> list[str]:
    lines = []
    for family in report.peer.cycles:
        if not len(family.p):
            continue
        special = f"; {', '.join(family.special)}" if family.special else ""
        lines += _wrapped(
            f"from {family.start}: {len(family.p)} cycles, {report.free} {family.p.min():.6g} to {family.p.max():.6g}, "
            f"period {family.period.min():.4g} to {family.period.max():.4g}, {int(family.stable.sum())} of them stable"
            f"{special}",
            "  ",
        )
    return lines


def _wrapped(line: str, indent: str) -> list[str]:
    return textwrap.wrap(
        line, WIDTH, initial_indent=indent, subsequent_indent=indent * 2, break_long_words=False, break_on_hyphens=False
    )
