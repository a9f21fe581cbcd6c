"""A drafted plan as a file that a person goes on with: comments say what was found, and blanks are named by `rollout validate`."""

import json
import re
from collections.abc import Iterator, Mapping

from rollout.plan.drafting import Draft, Drafted, Found, Role
from rollout.plan.words import plain, some

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""Not text, to one YAML parser or another."""

_HEAD = """\
# yaml-language-server: $schema=plan.schema.json
# Drafted by `rollout init --from`. Look at every line: it says what the inventory says, not what you want. Check it with
# `rollout validate plan.yml`, which names the blanks; look at it with `rollout plan plan.yml`, rehearse it with `rollout rehearse plan.yml`.
"""

_FACTORS = """
# What hosts differ in, and where it is read from: a host variable, an Ansible fact, or what `rollout plan --probe` finds.
factors:
"""

_COMBOS = """
# Hosts that are alike break alike. Every host must be in exactly one combo; `to` is where it leads. Combos that you know nothing of: `verdict: unknown`.
combos:
"""

_REST = """
# The chain that every host walks. Before `upgrade` it has to be empty: add `drain:` and `reopen:` steps for hosts that carry guests.
# The playbooks are for Debian's family, and read where to go from the inventory (`rollout_to_suite: trixie`); put your own in their place for others.
steps:
  - {name: precheck, playbook: playbooks/precheck.yml, timeout: 10m}
  - {name: stage, playbook: playbooks/stage.yml, timeout: 30m, retries: 2}
  - {name: upgrade, playbook: playbooks/upgrade.yml, once: true, timeout: 1h, expect: 15m}
  - {name: reboot, playbook: playbooks/reboot.yml, timeout: 20m, expect: 5m}
  - {name: verify, playbook: playbooks/verify.yml, timeout: 10m, retries: 2}

# Canaries: one host, every value of every factor, every pair of values, one host of each combo; then the rest, as fast as healthy hosts
# prove that an unseen defect would harm 3 hosts at most. Health must hold for the soak.
waves:
  ladder: [one, factors, pairs, combos]
  harm: 3
  soak: {canary: 1h, ramp: 10m}

# How many hosts may be disrupted at once, in all and in each failure domain. Failed hosts keep their place.
limits:
  at_once: 5%
"""

_END = """
# How many failures are tolerated: among a combo's canaries, among its other hosts, in the whole run.
failures: {canary: 0, combo: 0, run: 5}

# Questions about a host that must be answered with yes.
gates:
  - {name: fresh-ssh, kind: ssh, when: after verify}
  - {name: rebooted, kind: boot, when: after reboot}
"""

_PER: Mapping[Role, str] = {"site": "10%", "rack": "1"}


def text(name: str, inventory: str, hosts: str, draft: Draft, guests: Mapping[str, int]) -> str:
    """The file. `guests`: how many a probe has counted, by host."""
    lines = [
        f"{_HEAD}rollout: {name}",
        f"inventory: {scalar(inventory)}",
        f"hosts: {scalar(hosts)}",
        _FACTORS.rstrip("\n"),
        *(line for factor, found in draft.factors.items() for line in _factor(factor, found)),
        *(
            f"  # {role}: by their probes all hosts are called otherwise than in the inventory; `match` takes both names"
            for role in draft.renamed
        ),
        *_contradicted(draft.contradicted),
        _COMBOS.rstrip("\n"),
        *(line for combo in draft.combos for line in _combo(combo, guests)),
        _REST.rstrip("\n"),
        *_limits(draft),
    ]
    return "\n".join(lines) + "\n" + _END


def blanks(draft: Draft) -> int:
    """How many values a person has to fill in."""
    return sum(1 for combo in draft.combos if not combo.to and not combo.newest)


def scalar(value: str) -> str:
    """A text in YAML, in quotes where it could be read as something else."""
    fine = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if fine else json.dumps(plain(value), ensure_ascii=False)


def _factor(factor: str, found: Found) -> Iterator[str]:
    if found.lacking:
        yield f"  # {_hosts(found.lacking)} without it: set it in the inventory, narrow `hosts`, or ask the hosts (`rollout plan --probe`)"
    if not found.probe:
        yield f"  {factor}: {scalar(found.source)}"
    elif found.source:
        yield f"  {factor}: {{from: {scalar(found.source)}, probe: {factor}}}"
    else:
        yield f"  {factor}: {{probe: {factor}}}"


def _contradicted(hosts: Mapping[str, str]) -> Iterator[str]:
    if hosts:
        yield "  # Hosts that are something else than the inventory says; they are reported as drift, and not touched:"
    for host, words in list(hosts.items())[:20]:
        yield f"  #   {plain(host)}: {plain(words)}"
    if len(hosts) > 20:
        yield f"  #   and {len(hosts) - 20} more"


def _combo(combo: Drafted, guests: Mapping[str, int]) -> Iterator[str]:
    spread = [f"{count} {role}s" for role, count in combo.domains.items() if count > 1]
    loaded = [guests[host] for host in combo.hosts if guests.get(host)]
    if loaded:
        carry = "host carries" if len(loaded) == 1 else "hosts carry"
        spread.append(f"{len(loaded)} {carry} {sum(loaded)} {'guest' if sum(loaded) == 1 else 'guests'}")
    yield f"  # {_hosts(combo.hosts)}{''.join(f'; {words}' for words in spread)}"
    yield f"  - name: {scalar(combo.name)}"
    yield f"    match: {_mapping(combo.match)}"
    if combo.to:
        yield f"    to: {_mapping(combo.to)}"
    elif combo.newest:
        yield "    verdict: blocked"
        yield "    reason: it is at the newest release that rollout knows"
    else:
        yield "    to:"
        yield "      os:            # <- FILL IN: the release to go to, such as debian-13; or write `verdict: blocked` and a `reason`"


def _mapping(values: Mapping[str, str] | Mapping[str, tuple[str, ...]]) -> str:
    return "{" + ", ".join(f"{key}: {_one_of(value)}" for key, value in values.items()) + "}"


def _one_of(texts: str | tuple[str, ...]) -> str:
    if isinstance(texts, str) or len(texts) == 1:
        return scalar(texts if isinstance(texts, str) else texts[0])
    return f"[{', '.join(map(scalar, texts))}]"


def _hosts(hosts: tuple[str, ...]) -> str:
    return f"{len(hosts)} {'host' if len(hosts) == 1 else 'hosts'} ({some(hosts, 3)})"


def _limits(draft: Draft) -> Iterator[str]:
    per = {role: amount for role, amount in _PER.items() if role in draft.factors}
    if per:
        yield f"  per: {{{', '.join(f'{role}: {amount}' for role, amount in per.items())}}}"
    else:
        yield "  # No rack or site was found in the inventory: `per: {rack: 1}` would keep two hosts of a rack from being down together."
