"""What is wrong with plans as JUnit's XML: a test case for each aspect of each plan, and for each other file that has mistakes."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # we write only

from rollout.report.mistakes import ASPECTS, LONGEST, Checked, Mistake, path_of
from rollout.report.plain import counted, plain

SUITES = "rollout validate"


def as_junit(checked: Sequence[Checked]) -> str:
    """A suite for each plan. An aspect that was not reached is skipped."""
    root = Element("testsuites", name=SUITES)
    for one in checked:
        root.append(_suite(one))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(checked: Checked) -> Element:
    plan = path_of(checked.plan)
    suite = Element("testsuite", name=plan)
    reached = list(ASPECTS).index(checked.reached)
    for number, (aspect, said) in enumerate(ASPECTS.items()):
        mistakes = [one for one in checked.mistakes if one.aspect == aspect]
        files = dict.fromkeys(path_of(one.place.file) for one in mistakes)
        for file in files or {plan: None}:
            name = said if file == plan else f"{said}: {file}"
            case = SubElement(suite, "testcase", name=name, classname=plan, file=file)
            own = [one for one in mistakes if path_of(one.place.file) == file]
            if own:
                _wrong(case, own)
            elif number > reached:
                SubElement(case, "skipped", message="not looked at: what comes before it has mistakes")
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))
    return suite


def _wrong(case: Element, mistakes: Sequence[Mistake]) -> None:
    broken = any(one.broken for one in mistakes)
    first = plain(mistakes[0].message, LONGEST)
    message = first if len(mistakes) == 1 else f"{counted(len(mistakes), 'mistake')}, the first: {first}"
    found = SubElement(case, "error" if broken else "failure", message=message, type=mistakes[0].rule)
    found.text = "\n".join(
        f"{path_of(one.place.file)}:{one.place.line}:{one.place.column}: {plain(one.message, LONGEST)}"
        for one in mistakes
    )
