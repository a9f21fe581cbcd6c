"""Plans and playbooks of these tests, written beside the shipped playbooks of an operator."""

import json
from collections.abc import Sequence
from typing import Any

from tests.end_to_end.operating import Operator

LOGGED = """---
- hosts: all
  gather_facts: false
  become: true
  environment: {{ROLLOUT_MARK: "{{{{ rollout_mark }}}}"}}
  tasks: [{{ansible.builtin.shell: {{cmd: "echo begin {{{{ rollout_mark }}}} >> /var/log/steps"}}, changed_when: true}}]
{body}
- hosts: all
  gather_facts: false
  become: true
  environment: {{ROLLOUT_MARK: "{{{{ rollout_mark }}}}"}}
  tasks: [{{ansible.builtin.shell: {{cmd: "sleep {seconds}; echo end {{{{ rollout_mark }}}} >> /var/log/steps"}}, changed_when: true}}]
"""
"""A playbook that tells on the host when it begins and when it ends, a moment after its work is done."""


def logged(operator: Operator, name: str, *, does: str = "", seconds: float | str = 1) -> str:
    """Write `NAME-logged.yml`, around a shipped playbook if `does` names one; gives its path in a plan. `seconds` may be a template."""
    body = f"- import_playbook: {does}.yml" if does else ""
    path = operator.folder / "playbooks" / f"{name}-logged.yml"
    path.write_text(LOGGED.format(body=body, seconds=seconds))
    return f"playbooks/{path.name}"


def plan(operator: Operator, name: str, hosts: str, steps: Sequence[dict[str, Any]], **more: Any) -> str:
    """Write `NAME.yml`; gives its file name. Everything at once and without a soak, if `more` does not say otherwise."""
    written = {
        "rollout": name,
        "inventory": ".rollout/lab/inventory",
        "hosts": hosts,
        "factors": {"os": "os_release", "rack": "rack"},
        "combos": [{"name": "all", "match": {"os": "*"}, "to": {"os": "labos-2"}}],
        "steps": list(steps),
        "waves": {"sizes": ["100%"], "soak": "0s"},
        "limits": {"at_once": "100%"},
        **more,
    }
    (operator.folder / f"{name}.yml").write_text(json.dumps(written, indent=1))
    return f"{name}.yml"


def interleaved(log: str) -> list[str]:
    """From a host's /var/log/steps: what began while another was at work there, what never ended, what ran twice."""
    found: list[str] = []
    open_mark, seen = "", set[str]()
    for line in log.splitlines():
        word, mark = line.split(" ", 1)
        if word == "begin":
            found += [f"{mark} began during {open_mark}"] if open_mark else []
            found += [f"{mark} ran twice"] if mark in seen else []
            seen.add(mark)
            open_mark = mark
        elif mark == open_mark:
            open_mark = ""
        else:
            found.append(f"{mark} ended during {open_mark or 'nothing'}")
    return [*found, *([f"{open_mark} never ended"] if open_mark else [])]
