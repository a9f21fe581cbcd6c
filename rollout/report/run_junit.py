"""A run as JUnit's XML, and links for GitLab's job page: a test case for each host, and for each gate about the fleet."""

import json
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # we write only

from rollout.model.state import Status
from rollout.report.plain import plain
from rollout.report.run_report import LONGEST, HostTold, RunReport

LINKS = 100
"""Of one report; more are not read by anybody."""

HEADLINE = 300
"""Characters of a failure's message; GitLab shows it in one line, and the whole text below."""

LONGEST_LINK = 2000
"""Characters; browsers and proxies cut longer ones."""

LABEL = 200
"""Characters of a link's label."""


def junit(report: RunReport) -> str:
    """A suite for each wave, and one for gates about the fleet. GitLab takes the first of two cases of one name, so each name is there once."""
    root = Element("testsuites", name=f"rollout {plain(report.run)}")
    by: dict[str, list[HostTold]] = {}
    for host in report.hosts:
        by.setdefault(host.wave, []).append(host)
    for wave, hosts in by.items():
        suite = SubElement(root, "testsuite", name=plain(wave))
        for host in hosts:
            _case(suite, host)
    _gates(root, report)
    for suite in root:
        suite.set("tests", str(len(suite)))
        for key, tag in (("failures", "failure"), ("skipped", "skipped")):
            suite.set(key, str(len(suite.findall(f"testcase/{tag}"))))
    for key in ("tests", "failures", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, host: HostTold) -> None:
    case = SubElement(
        suite,
        "testcase",
        name=f"host {plain(host.name)}",
        classname=plain(host.wave),
        time=f"{host.seconds:.0f}",
    )
    because = plain(host.because, LONGEST)
    if host.status is Status.HELD:
        _failure(case, because, host.step or "held")
    elif host.status is not Status.VERIFIED:
        SubElement(case, "skipped", message=f"{host.status}: {because}" if because else str(host.status))


def _gates(root: Element, report: RunReport) -> None:
    fleet = [one for one in report.refused if not one.host]
    if not fleet:
        return
    suite = SubElement(root, "testsuite", name="gates about the fleet")
    for one in fleet:
        case = SubElement(
            suite, "testcase", name=f"gate {plain(one.gate)} {plain(one.moment)}", classname="gates"
        )
        _failure(case, plain(one.because, LONGEST), one.value)


def _failure(case: Element, because: str, kind: str) -> None:
    SubElement(case, "failure", message=plain(because, HEADLINE), type=plain(kind)).text = because


def annotations(report: RunReport) -> str:
    """GitLab's `artifacts:reports:annotations`: where a person sees the numbers of gates that did not pass. Only http and https links."""
    found: dict[str, str] = {}
    for one in report.refused:
        if _is_web(one.link):
            about = f" of {plain(one.host)}" if one.host else ""
            found.setdefault(
                one.link, f"{plain(one.gate)} {plain(one.moment)}{about}: {plain(one.value)}"[:LABEL]
            )
    links = [{"external_link": {"label": label, "url": url}} for url, label in list(found.items())[:LINKS]]
    return json.dumps({"rollout": links}) + "\n"


def _is_web(link: str) -> bool:
    """As a server has sent it, which may be anything. One that names a user, or a password, is left out."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    fits = len(link) <= LONGEST_LINK and link.isprintable() and " " not in link
    return fits and parts.scheme in {"http", "https"} and bool(parts.netloc) and "@" not in parts.netloc
