"""`{{ NAME }}` in the words of a query: what may stand there, and values put in so that they mean nothing but themselves.

In PromQL a placeholder stands inside a quoted string. Behind `=~` and `!~` its value is escaped for the regular expression, and
everywhere for the string, so that no host name can change the query.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from rollout.gates._trouble import Trouble
from rollout.model.cohort import Peer, Stage
from rollout.model.plan import PER_COMBO, PER_HOST, PER_RUN, PER_WAVE
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

HOLE = re.compile(r"\{\{\s*([A-Za-z0-9][A-Za-z0-9._-]{0,62})\s*\}\}")
OF_HOST = ("host", "address")
COMBO = "combo"
STAGES: Mapping[str, tuple[Stage, ...]] = {
    "upgraded": ("upgraded",),
    "untouched": ("untouched",),
    "disrupted": ("disrupted",),
}
"""Placeholders for several hosts: an alternation, for `=~` alone."""

_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_TOKEN = re.compile(r"#[^\n]*|=~|!~|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`|\S", re.DOTALL)
_ESCAPED = {"\\": "\\\\", '"': '\\"', "'": "\\'", "\n": "\\n"}

Value = str | tuple[str, ...]
Values = Mapping[str, Value]


def names(text: str) -> tuple[str, ...]:
    """The placeholders of a text, each once."""
    return tuple(dict.fromkeys(HOLE.findall(text)))


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    quote: str = ""
    matches: bool = False


def _pieces(query: str) -> Iterator[_Piece]:
    """PromQL, cut into strings, with whether a regular expression is expected there, and what is between them."""
    done, before = 0, ""
    for token in _TOKEN.finditer(query):
        word = token[0]
        if word[0] in "\"'`" and len(word) > 1:
            yield _Piece(query[done : token.start()])
            yield _Piece(word, word[0], before in {"=~", "!~"})
            done = token.end()
        before = word
    yield _Piece(query[done:])


def checked_query(query: str, bare: Collection[str] = ()) -> str:
    """The same PromQL; `bare` placeholders may stand outside of strings. Raises ValueError for one that could not be put in safely."""
    for piece in _pieces(query):
        checked_holes(piece.text)
        for name in names(piece.text):
            if name in bare:
                continue
            if piece.quote not in {'"', "'"}:
                raise ValueError(
                    f'{{{{ {name} }}}} must stand between quotes, as in {{instance=~"{{{{ {name} }}}}"}}'
                )
            if name in STAGES and not piece.matches:
                raise ValueError(f"{{{{ {name} }}}} stands for several hosts: write =~ before it")
    return query


def checked_holes(text: str) -> str:
    """The same text. Raises ValueError for braces that hold no name."""
    left = HOLE.sub("", text)
    if "{{" in left or "}}" in left:
        raise ValueError("a placeholder is written {{ NAME }}")
    return text


def query_of(query: str, values: Values) -> str:
    """The PromQL that is sent."""
    return "".join(_filled(piece, values) for piece in _pieces(query))


def _filled(piece: _Piece, values: Values) -> str:
    return HOLE.sub(lambda hole: in_string(_shown(values[hole[1]], piece.matches)), piece.text)


def filled(text: str, values: Values, *, expression: bool) -> str:
    """The text itself, for what is not quoted again; with `expression` it is a regular expression."""
    return HOLE.sub(lambda hole: _shown(values[hole[1]], expression), text)


def _shown(value: Value, expression: bool) -> str:
    if isinstance(value, tuple):
        return alternation(value)
    return in_expression(value) if expression else value


def in_string(value: str) -> str:
    """As it stands between quotes, in PromQL and in a matcher of Alertmanager."""
    return "".join(_ESCAPED.get(char) or (char if char.isprintable() else _coded(char)) for char in value)


def _coded(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def in_expression(value: str) -> str:
    """As it stands in a regular expression of Prometheus, which is RE2."""
    return _META.sub(r"\\\g<0>", value)


def alternation(hosts: Sequence[str]) -> str:
    """Any of the names or addresses, with or without a port. Prometheus anchors it."""
    words = [f"\\[?{in_expression(host)}\\]?" if ":" in host else in_expression(host) for host in hosts]
    return f"(?:{'|'.join(words)})(?::[0-9]+)?"


def in_link(text: str, values: Mapping[str, str]) -> str:
    """A URL with every value escaped; one that is not known is left empty."""
    return HOLE.sub(lambda hole: quote(values.get(hole[1], ""), safe=""), text)


def address_of(peer: Peer) -> str:
    """What Ansible connects to: the name where the inventory says nothing else."""
    return peer.address or peer.host


def values_of(subject: Subject, wanted: Collection[str], by_address: bool = False) -> dict[str, Value]:
    """A value for each of the names. Raises Trouble for one that is not known at this moment."""
    found: dict[str, Value] = {}
    for name in wanted:
        if name in STAGES:
            peers = subject.cohort.at(*STAGES[name])
            if name == "untouched":  # a wave that has ended has none of its own to compare with
                peers += subject.beside.at("untouched")
            found[name] = tuple(address_of(peer) if by_address else peer.host for peer in peers)
            continue
        value = _own(subject).get(name, "")
        if not value:
            about = subject.about or "the whole run"
            raise Trouble(
                Answer.ERROR, f"{{{{ {name} }}}} is not known of {printable(subject.host or about, 80)}"
            )
        found[name] = value.encode("utf-8", "replace").decode()
    return found


def _own(subject: Subject) -> dict[str, str]:
    known = {**subject.factors, COMBO: subject.combo}
    if subject.host:
        peer = next((peer for peer in subject.cohort.peers if peer.host == subject.host), None)
        said = subject.variables.get("ansible_host")
        address = (peer.address if peer else "") or (said if isinstance(said, str) else "") or subject.host
        known |= {"host": subject.host, "address": address}
    return known


def of_peer(peer: Peer, wanted: Collection[str]) -> dict[str, str]:
    """A value for each of the names, of one host of a cohort. Raises Trouble for one that is not known."""
    known = {**(peer.factors or {}), "host": peer.host, "address": address_of(peer), COMBO: peer.combo}
    lacking = next((name for name in wanted if not known.get(name)), None)
    if lacking is not None:
        raise Trouble(Answer.ERROR, f"{{{{ {lacking} }}}} is not known of {printable(peer.host, 80)}")
    return {name: known[name] for name in wanted}


def nobody(values: Values, subject: Subject) -> Verdict | None:
    """A question about hosts of which there are none is not asked: it would be about nothing, or about all others."""
    empty = [name for name, value in values.items() if value == ()]
    if not empty:
        return None
    counts = {name: len(value) for name, value in values.items() if isinstance(value, tuple)}
    samples = {**counts, "cohort": len(subject.cohort.peers)}
    if "untouched" in empty or not subject.cohort.peers:
        return Verdict(
            Answer.INCONCLUSIVE, f"no host is {empty[0]}: there is nothing to compare with", samples
        )
    return Verdict(Answer.PASS, f"no host is {empty[0]} so far: there is nothing to ask about", samples)


def objection(name: str, per: str, factors: Collection[str]) -> str:
    """Why the placeholder has no value where one answer is about `per`; empty: it has."""
    always = (*STAGES,)
    if name not in {*OF_HOST, COMBO, *always, *factors}:
        return f"there is no placeholder {{{{ {name} }}}}: it may be {', '.join((*OF_HOST, COMBO, *always))} or a factor of the plan"
    there = {
        PER_HOST: (*OF_HOST, COMBO, *always, *factors),
        PER_WAVE: (COMBO, *always),
        PER_COMBO: (COMBO, *always),
        PER_RUN: always,
    }.get(per, (per, *always))
    return (
        "" if name in there else f"{{{{ {name} }}}} is not known with per: {per}; there is {', '.join(there)}"
    )
