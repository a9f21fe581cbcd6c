"""The report of a run as one HTML page: no script, nothing from elsewhere, so that it may be kept, mailed or put on GitLab Pages."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from rollout.model.state import Status
from rollout.report.plain import plain
from rollout.report.run_report import HOSTS_SHOWN, LONGEST, RunReport, numbers, sections, wave_rows

_STYLE = """
:root { color-scheme: light dark; --good: #2da160; --busy: #428fdc; --bad: #dd2b0e; --rest: #8888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid #8886; border-radius: 4px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
.bar { display: flex; height: .8rem; min-width: 10rem; border-radius: 3px; overflow: hidden; background: var(--rest); }
.bar i { display: block; } .good { background: var(--good); } .busy { background: var(--busy); } .bad { background: var(--bad); }
summary { cursor: pointer; font-weight: 600; margin-top: 1rem; }
"""

_HEAD = ("wave", "", "hosts", "verified", "under way", "held", "not begun", "out")


def html(report: RunReport) -> str:
    """Every text from outside is escaped, and what a terminal would act on is written out."""
    title = f"Run {escape(plain(report.run))}"
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        _pre(report.standing),
        "<h2>Waves</h2>",
        *_waves(report),
        *_needy(report),
    ]
    for name, said in sections(report):
        parts.append(f"<details><summary>{escape(name)}</summary>{_pre(said)}</details>")
    return "\n".join([*parts, "</body></html>", ""])


def _pre(lines: Sequence[str]) -> str:
    said = "\n".join(lines)
    return f"<pre>{escape(said)}</pre>"


def _waves(report: RunReport) -> list[str]:
    rows = []
    for name, what, counts in wave_rows(report):
        cells = "".join(f"<td>{number}</td>" for number in numbers(counts))
        rows.append(
            f"<tr><td>{escape(plain(name))} <small>{escape(plain(what))}</small></td><td>{_bar(counts)}</td>{cells}</tr>"
        )
    return [
        "<table><thead><tr>",
        *(f"<th>{one}</th>" for one in _HEAD),
        "</tr></thead><tbody>",
        *rows,
        "</tbody></table>",
    ]


def _bar(counts: Counter[Status]) -> str:
    whole, verified, under_way, held, *_ = numbers(counts)
    if not whole:
        return ""
    said = (("good", verified), ("busy", under_way), ("bad", held))
    pieces = "".join(
        f'<i class="{name}" style="width:{100 * number / whole:.2f}%"></i>' for name, number in said if number
    )
    return (
        f'<div class="bar" role="img" aria-label="{verified} of {whole} verified, {held} held">{pieces}</div>'
    )


def _needy(report: RunReport) -> list[str]:
    if not report.needy:
        return []
    rows = [
        f"<tr><td>{escape(plain(one.name))}</td><td>{escape(plain(one.wave))}</td><td>{escape(plain(one.step))}</td><td>{escape(plain(one.because, LONGEST))}</td></tr>"
        for one in report.needy[:HOSTS_SHOWN]
    ]
    left = len(report.needy) - len(rows)
    more = [f"<p>And {left} more.</p>"] if left else []
    return [
        "<h2>Hosts that wait for a person</h2>",
        "<table><thead><tr><th>host</th><th>wave</th><th>step</th><th>because</th></tr></thead><tbody>",
        *rows,
        "</tbody></table>",
        *more,
    ]
