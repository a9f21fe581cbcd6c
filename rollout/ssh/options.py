"""The SSH options that an inventory gives to Ansible: honoured, knowingly ignored, or refused by name."""

import shlex
from collections.abc import Iterator

from rollout.errors import SshUnsupported
from rollout.ssh.printable import printable

HONOURED = frozenset(
    {
        "addressfamily",
        "bindaddress",
        "connecttimeout",
        "globalknownhostsfile",
        "hostkeyalias",
        "hostname",
        "identitiesonly",
        "identityagent",
        "identityfile",
        "port",
        "proxycommand",
        "proxyjump",
        "user",
        "userknownhostsfile",
    }
)
"""Handed to `ssh -G`, which says what they mean together with ssh_config."""

IGNORED = frozenset(
    {
        "addkeystoagent",
        "batchmode",
        "challengeresponseauthentication",
        "checkhostip",
        "clearallforwardings",
        "compression",
        "connectionattempts",
        "controlmaster",
        "controlpath",
        "controlpersist",
        "escapechar",
        "exitonforwardfailure",
        "fingerprinthash",
        "forwardagent",
        "forwardx11",
        "forwardx11trusted",
        "gssapiauthentication",
        "gssapidelegatecredentials",
        "hashknownhosts",
        "hostbasedauthentication",
        "ipqos",
        "kbdinteractiveauthentication",
        "loglevel",
        "logverbose",
        "numberofpasswordprompts",
        "passwordauthentication",
        "permitlocalcommand",
        "preferredauthentications",
        "rekeylimit",
        "requesttty",
        "sendenv",
        "serveralivecountmax",
        "serveraliveinterval",
        "setenv",
        "tcpkeepalive",
        "updatehostkeys",
        "verifyhostkeydns",
        "visualhostkey",
    }
)
"""They change neither which host is reached nor how far it is trusted."""

SWITCHES_IGNORED = frozenset("aACknqTtvxXY")
SWITCHES_HONOURED = frozenset("46")
WITH_VALUE = {"i": "IdentityFile", "p": "Port", "l": "User", "J": "ProxyJump"}


def arguments(host: str, where: str, text: str) -> list[str]:
    """The arguments for `ssh -G` out of one variable (`where` names it). Raises SshUnsupported, naming the option."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise _unsupported(host, where, text, f"cannot be split into words ({error})") from error
    found: list[str] = []
    for letter, value in _options(host, where, words):
        if letter == "F":
            found += ["-F", value]
        elif letter in SWITCHES_HONOURED:
            found.append(f"-{letter}")
        elif letter in WITH_VALUE:
            found += option(WITH_VALUE[letter], value)
        elif letter == "o":
            found += _assignment(host, where, value)
    return found


def option(key: str, value: str) -> list[str]:
    """`-o key=value`; quoted, as Ansible does it, where the value may hold a space and is still one word."""
    if key.lower() not in {"user", "identityfile", "identityagent"}:
        return ["-o", f"{key}={value}"]
    bare = value.strip().removeprefix('"').removesuffix('"')
    return ["-o", f'{key}="{bare}"']


def _options(host: str, where: str, words: list[str]) -> Iterator[tuple[str, str]]:
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or len(word) < 2:
            raise _unsupported(host, where, word, "is not an option of ssh")
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in WITH_VALUE or letter in "Fo":
                value = letters or next(rest, None)
                if not value:
                    raise _unsupported(host, where, word, "lacks its value")
                yield letter, value
                break
            if letter not in SWITCHES_HONOURED | SWITCHES_IGNORED:
                raise _unsupported(
                    host, where, f"-{letter}", "cannot be honoured by the gates' own connection"
                )
            yield letter, ""


def _assignment(host: str, where: str, text: str) -> list[str]:
    key, _, value = text.strip().replace("\t", " ").partition("=" if "=" in text.partition(" ")[0] else " ")
    word, value = key.strip().lower(), value.strip().removeprefix("=").strip()
    if not value:
        raise _unsupported(host, where, f"-o {text}", "lacks its value")
    if word == "stricthostkeychecking":
        if value.strip('"').lower() in {"no", "off", "false"}:
            reason = (
                "is refused: host keys are always checked. Put the host's key into a known_hosts file and name it with "
                "-o UserKnownHostsFile=FILE"
            )
            raise _unsupported(host, where, f"-o {text}", reason)
        return []
    if word in IGNORED:
        return []
    if word in HONOURED:
        return option(key.strip(), value)
    raise _unsupported(host, where, f"-o {text}", "cannot be honoured by the gates' own connection")


def _unsupported(host: str, where: str, what: str, why: str) -> SshUnsupported:
    return SshUnsupported(f"{printable(host)}: `{printable(what)}` in {where} {why}")
