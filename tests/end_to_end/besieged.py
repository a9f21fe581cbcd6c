"""Playbooks and plans of runs that faults are planted in. Every effect on a host is a line of its log: when, what, of which order, in which boot."""

from dataclasses import dataclass

from tests.end_to_end.operating import Operator
from tests.end_to_end.plans import plan

LOG = "/var/log/effects"
AT_ONCE = 3
HOSTS = 4
DPKG_SECONDS = 2
JOB_SECONDS = 3

_HEAD = """---
- hosts: all
  gather_facts: false
  become: true
  environment: {ROLLOUT_MARK: "{{ rollout_mark }}"}
  tasks:
"""
_CLAIM = "    - ansible.builtin.import_role: {name: guard, tasks_from: claim}\n"
_RELEASE = "    - ansible.builtin.import_role: {name: guard, tasks_from: release}\n"
SLOW_DPKG = f"""echo 'DPkg::Pre-Install-Pkgs {{"sleep {DPKG_SECONDS}";}};' > /etc/apt/apt.conf.d/99slow"""


def _tell(word: str, order: str) -> str:
    """A shell command. The marks of a try and of an order are apart: within a try the guard lets a command run once."""
    return f'echo "$(date +%s.%N) {word} {{{{ rollout_mark }}}}/{order} $(cat /proc/sys/kernel/random/boot_id)" >>{LOG}'


_TRY, _ORDER = "try-{{ rollout_try }}", "order-{{ rollout_attempt }}"
_WORK = f"{_tell('begin', _TRY)}; sleep {JOB_SECONDS}; {_tell('end', _TRY)}"
_LOOK = f"{_tell('begin', _ORDER)}; sleep 1; {_tell('end', _ORDER)}"

PLAYBOOKS = {
    "work": f"{_HEAD}{_CLAIM}    - rollout_guard: {{name: work, cmd: '{_WORK}'}}\n{_RELEASE}",
    "look": f"{_HEAD}    - ansible.builtin.shell: {{cmd: '{_LOOK}'}}\n{_RELEASE}",
    "restart": f"{_HEAD}    - ansible.builtin.shell: {{cmd: '{_tell('reboot', _ORDER)}'}}\n- ansible.builtin.import_playbook: reboot.yml\n",
}
"""`work` is a `once` step that the guard carries out, `look` one that may be repeated, `restart` the shipped reboot with a line before it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A line of a host's log; `order` names step, and try or attempt."""

    at: float
    word: str
    order: str
    boot: str

    @property
    def step(self) -> str:
        return self.order.split("/")[2]


def effects(operator: Operator, host: str) -> list[Effect]:
    lines = operator.on(host, f"cat {LOG} 2>/dev/null || :").splitlines()
    told = [line.split(" ") for line in lines]
    return [Effect(float(at), word, order, boot) for at, word, order, boot in told]


def write_playbooks(operator: Operator) -> None:
    """Beside the shipped ones, which they use."""
    for name, text in PLAYBOOKS.items():
        (operator.folder / "playbooks" / f"{name}.yml").write_text(text)


def write_plan(operator: Operator, name: str, hosts: list[str], *, shipped: bool) -> str:
    """A `once` step and one that may be repeated; `shipped`: the release upgrade that comes with rollout, and a reboot. Gives its file name."""
    again = {"timeout": "5m", "retries": 3, "backoff": "1s"}
    once = {"name": "upgrade", "once": True, "timeout": "5m"}
    quick = [
        {**once, "playbook": "playbooks/work.yml"},
        {"name": "verify", "playbook": "playbooks/look.yml", **again},
    ]
    whole = [
        {**once, "playbook": "playbooks/upgrade.yml"},
        {"name": "reboot", "playbook": "playbooks/restart.yml", **again},
        {"name": "verify", "playbook": "playbooks/verify.yml", **again},
    ]
    patient = {"retries": 10, "interval": "1s", "timeout": "20s"}
    gates = [{"name": "fresh", "kind": "ssh", "when": "after verify", **patient}]
    booted = {"name": "booted", "kind": "boot", "when": "after reboot", **patient}
    return plan(
        operator, name, ":".join(hosts), whole if shipped else quick, gates=[booted, *gates] if shipped else gates,
        waves={"sizes": ["100%"], "soak": "1s"}, limits={"at_once": AT_ONCE},
        failures={"canary": HOSTS, "combo": HOSTS, "run": HOSTS},
    )  # fmt: skip
