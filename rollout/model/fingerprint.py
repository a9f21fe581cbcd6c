"""What failures of one cause have in common: their words without what differs from host to host and from try to try.

Left out are the names and addresses of hosts, other addresses, numbers, hexadecimal identities, times and how long something took, sizes, and temporary paths.
Kept are versions (a number with a dot that no unit follows, or a word that holds one: `6.1.0-18-amd64`), for one release of a package is broken and the next is not;
words with digits (`sda1`, `mlx5_core`); and numbers that say what happened: exit codes, errno, states of HTTP, signals.

Fingerprints are written into tickets and files: the same failure has the same one in every release, which a golden table of the tests keeps so.
"""

import hashlib
import re
from collections.abc import Collection

LONGEST = 2000
"""Characters of a failure that are looked at."""

HEAD, TAIL = 100, 250
"""Characters that count on both sides of where words were left out: how much was is another matter on every host."""

LEAST = 6
"""Letters that have to stay for a symptom to say something."""

_SPECIAL = re.compile(r"[\\.^$*+?()\[\]{}|]")

_SILENT = re.compile(
    r"exit code -?\d+(?:, no output| and said nothing.*)?|the (?:task|module) (?:failed|ended with)(?: and said nothing)?|the task's result is hidden \(no_log\)"
)
"""What we say ourselves of a task that says nothing: in a symptom it would fit too much."""

DIGITS = 10
"""Of a fingerprint, hexadecimal."""

_UNITS = r"(?:milliseconds?|msecs?|ms|µs|us|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
_SIZES = r"(?:[KMGT]i?B|kB|[kMG]bit|bytes|[KMGT])(?:/s)?"
_DAYS = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\s)?"
_MONTHS = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_GROUPS = r"[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*"
_NUMBER = r"(?<![\w.])\d+(?:[.,]\d+)?\s?"
_SAID = r"exit(?:ed)? (?:code|status)|(?:ended|exited) with(?: code)?|returned|rc|errno|error code|status(?: code)?(?: was)?|signal|HTTP Error|HTTP/\d(?:\.\d)?"
_DATES = (
    rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]{_CLOCK})?(?:Z|[+-]\d{{2}}:?\d{{2}})?"
    rf"|{_MONTHS}\s\d{{1,2}}\s{_CLOCK}(?:\s[A-Z]{{2,4}})?(?:\s\d{{4}})?"
    rf"|\d{{1,2}}\s{_MONTHS}\s\d{{4}}(?:\s{_CLOCK})?(?:\s[+-]\d{{4}})?"
)
_PARTS = (
    r"(?P<kept><[a-z]+>)",
    rf"(?P<said>(?i:\b(?:{_SAID}))[ =:]{{1,2}}-?\d{{1,5}}(?!\w))",
    rf"(?P<date>(?<![\w.-]){_DAYS}(?:{_DATES}))",
    r"(?P<uuid>(?<![\w-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\w-]))",
    r"(?P<pci>(?<![\w:.])[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7](?![\w.]))",
    r"(?P<mac>(?<![\w:-])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![\w:-]))",
    rf"(?P<ip>(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?!\w|[.-]\d))",
    rf"(?P<clock>(?<![\w.:]){_CLOCK}(?![\w:]))",
    rf"(?P<six>(?<![\w:.])(?:(?:[0-9a-fA-F]{{1,4}}:){{7}}[0-9a-fA-F]{{1,4}}|(?:{_GROUPS})?::(?:{_GROUPS}))(?:%\w+)?(?![\w:]))",
    rf"(?P<lasted>(?:{_NUMBER}{_UNITS}(?!\w)[ ,]{{0,2}})*{_NUMBER}{_UNITS}(?!\w)|(?<![\w.])(?:\d+[dhms]){{2,4}}(?!\w))",
    rf"(?P<size>{_NUMBER}{_SIZES}(?!\w))",
    rf"(?P<percent>{_NUMBER}%)",
    r"(?P<tmp>[\w.~/-]*/(?:\.ansible/tmp|tmp|run/user)/[^\s'\"(),;:<>]+)",
    r"(?P<hex>(?<![\w.-])(?:0x[0-9a-fA-F]+|(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{8,})(?![\w.-]))",
    r"(?P<word>[^\W_](?:[\w.-]*\w)?)",
)
_SPEAKS = re.compile("|".join(_PARTS))
_PLACES = {"six": "ip", "date": "time", "clock": "time", "lasted": "time", "percent": "n"}
_PLACEHOLDER = re.compile(r"<[a-z]+>")
_LEFT_OUT = re.compile(r"\S+ \.\.\. \S+")
"""Where a long sentence was cut, in the midst of words."""
_LONG_SENTENCE = 400
_SERIAL = re.compile(r"\d{5,}")


def normalised(text: str, hosts: Collection[str] = frozenset()) -> str:
    """The words of a failure with a placeholder such as `<n>` for what is left out. `hosts`: names and addresses, in lower case.

    Done again it changes nothing: what one placeholder uncovers is looked at, too.
    """
    words = _shortened(" ".join(text.split()), LONGEST)
    while True:
        fixed = _LEFT_OUT.sub("<cut>", words) if len(words) >= _LONG_SENTENCE else words
        head, cut, tail = fixed.partition("<cut>")
        fixed = _replaced(head, hosts)
        if cut:
            end = _shortened(_replaced(tail, hosts)[::-1], TAIL)[::-1]
            fixed = f"{_shortened(fixed, HEAD)} <cut> {end}"
        fixed = _shortened(" ".join(fixed.split()), LONGEST)
        if fixed == words:
            return words
        words = fixed


def fingerprint(step: str, task: str, text: str, hosts: Collection[str] = frozenset()) -> str:
    """Ten hexadecimal digits, the same for failures of one cause: of the same step and task (empty: wherever it was), in the same words but for what differs."""
    said = "\0".join((step, normalised(task), normalised(text, hosts)))
    return hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:DIGITS]


def symptom_of(text: str, hosts: Collection[str] = frozenset()) -> str | None:
    """A regular expression (RE2) that finds failures with these words; None: they say too little for one.

    It is made of the parts that stay, in their order. They have to be printable ASCII: what else there is may differ with the locale.
    """
    words = _PLACEHOLDER.sub("\0", normalised(text, hosts))
    if sum(char.isascii() and char.isalpha() for char in _SILENT.sub("", words)) < LEAST:
        return None
    parts = re.split(r"[^ -~]+", words)
    constant = [part.strip() for part in parts if any(char.isalnum() for char in part)]
    end = r"\b" if constant[-1][-1].isdecimal() else ""  # `rc=1` is not in `rc=12`
    escaped = [_SPECIAL.sub(r"\\\g<0>", part) for part in constant]
    if text == " ".join(text.split()):
        return ".*".join(escaped) + end
    return f"(?s){'.*'.join(part.replace(' ', '[^!-~]+') for part in escaped)}{end}"


def _shortened(text: str, limit: int) -> str:
    """At most so many characters, and no part of a word at the end."""
    return text if len(text) <= limit else text[: limit + 1].rpartition(" ")[0]


def _replaced(text: str, hosts: Collection[str]) -> str:
    def place(found: re.Match[str]) -> str:
        kind, words = found.lastgroup or "", found[0]
        if kind in {"kept", "said"}:
            return words
        if kind != "word":
            return f"<{_PLACES.get(kind, kind)}>"
        name = words.lower()
        if name in hosts or name.partition(".")[0] in hosts:
            return "<host>"
        if words.isdecimal():
            return "<n>"
        return words if "." in words else _SERIAL.sub("<n>", words)

    return _SPEAKS.sub(place, text)
