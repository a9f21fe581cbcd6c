"""A comparison in words, as Markdown for a merge request, and as lines of JSON."""

import json
from collections.abc import Iterator

from rollout.report.comparison import TOPICS, Comparison, Difference, Topic
from rollout.report.markdown import code, fenced
from rollout.report.plain import counted, listed, plain

SHOWN = 20
"""Differences of one topic that are told; the rest are counted."""

NAMED = 8
"""Hosts, combos or values that a difference names."""

_NOUNS: dict[Topic, str] = {"hosts": "host", "combos": "combo", "steps": "combo", "order": "wave"}
_OF_FILES = {"plan": "the plan file", "risks": "the text of known risks"}
_HEADS: dict[Topic, str] = {"files": "files, and what is installed"}


def text(comparison: Comparison) -> str:
    """For a terminal."""
    sections = [_head(comparison)]
    for topic in TOPICS:
        lines = _lines(comparison, topic)
        if lines:
            sections.append([_HEADS.get(topic, topic), *lines])
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def markdown(comparison: Comparison) -> str:
    """For a merge request: what comes from outside stands in code alone."""
    before, after = comparison.before, comparison.after
    lines = [f"## Plan {code(after.plan)}: {'what differs' if comparison.differs else 'no difference'}", ""]
    lines.append(
        f"Digest {code(before.digest[:12])}, then {code(after.digest[:12])}; {_numbers(comparison)}."
    )
    for topic in TOPICS:
        said = _lines(comparison, topic)
        if said:
            lines += [
                "",
                f"### {_HEADS.get(topic, topic).capitalize()}",
                *fenced([line.strip() for line in said]),
            ]
    return "\n".join(lines) + "\n"


def json_lines(comparison: Comparison) -> Iterator[str]:
    """The comparison, then each difference, with all that it is about."""
    before, after = comparison.before, comparison.after
    yield json.dumps(
        {
            "type": "diff",
            "plan": after.plan,
            "digest": {"was": before.digest, "now": after.digest},
            "hosts": {"was": before.hosts, "now": after.hosts},
            "untouched": {"was": before.untouched, "now": after.untouched},
            "differs": comparison.differs,
        }
    )
    yield from difference_lines(comparison)


def difference_lines(comparison: Comparison) -> Iterator[str]:
    """A line of JSON for each difference."""
    for one in comparison.differences:
        yield json.dumps(
            {
                "type": "difference",
                "topic": one.topic,
                "subject": one.subject,
                "was": one.was or None,
                "now": one.now or None,
                "of": list(one.of),
            }
        )


def sentences(comparison: Comparison) -> list[str]:
    """One for each difference: what a stale plan is refused with."""
    return [sentence(one) for one in comparison.differences]


def sentence(one: Difference) -> str:
    """Such as `factor os was debian-12, is debian-13: 2 hosts: a, b`."""
    about = f": {_about(one)}" if one.of else ""
    return f"{_change(one)}{about}"


def _change(one: Difference) -> str:
    subject = _OF_FILES.get(one.subject, plain(one.subject)) if one.topic == "files" else plain(one.subject)
    tells = one.is_shown and "there" not in {one.was, one.now}
    if not one.was:
        return f"{subject} is new, {plain(one.now)}" if tells else f"{subject} is new"
    if not one.now:
        return f"{subject} is gone, was {plain(one.was)}" if tells else f"{subject} is gone"
    changed = "have changed" if one.topic == "hosts" else "has changed"
    return f"{subject} was {plain(one.was)}, is {plain(one.now)}" if tells else f"{subject} {changed}"


def _about(one: Difference) -> str:
    noun = _NOUNS.get(one.topic)
    number = f"{counted(len(one.of), noun)}: " if noun else ""
    return number + listed(one.of, NAMED)


def _head(comparison: Comparison) -> list[str]:
    before, after = comparison.before, comparison.after
    names = before.plan if before.plan == after.plan else f"{before.plan}, then {after.plan}"
    if not comparison.differs:
        return [f"plan {plain(names)}: no difference, digest {after.digest[:12]}"]
    return [
        f"plan {plain(names)}, digest {before.digest[:12]}, then {after.digest[:12]}",
        _numbers(comparison),
    ]


def _numbers(comparison: Comparison) -> str:
    before, after = comparison.before, comparison.after
    if (before.hosts, before.untouched) == (after.hosts, after.untouched):
        return f"{counted(after.hosts, 'host')} to upgrade and {after.untouched} not touched, as before"
    return (
        f"{counted(after.hosts, 'host')} to upgrade, {before.hosts} before; "
        f"{after.untouched} not touched, {before.untouched} before"
    )


def _lines(comparison: Comparison, topic: Topic) -> list[str]:
    found = comparison.about(topic)
    more = [f"  and {counted(len(found) - SHOWN, 'more difference')}"] if len(found) > SHOWN else []
    return [*(f"  {sentence(one)}" for one in found[:SHOWN]), *more]
