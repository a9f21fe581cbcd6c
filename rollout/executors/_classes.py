"""The classes of failure: what a failing task says, what that means, and whether another try can change anything.

Read in order; the first that fits counts. The texts are Ansible's, sudo's, ssh's and Python's own, as they were seen
(tests/executors/test_ansible_classes.py has each of them). The table for operators is in docs/guides/execution.md.
"""

import re
from dataclasses import dataclass

from rollout.executors._text import sentence
from rollout.model.seams import Ending

ASKS_A_PERSON = "nobody is there to answer"
"""Part of what a unit's Ansible says when a playbook asks a person (`_playbook.py`)."""


@dataclass(frozen=True, slots=True)
class Class:
    """`means` is the head of the sentence. `printed`: looked for in what a program of the task printed, too.

    `within_a_play`: only when a module has run on the host already in this play (True), or when none has (False).
    `of_the_way`: only of a host that could not be reached: a task that connects elsewhere says the same of others.
    """

    pattern: re.Pattern[str]
    means: str
    ending: Ending = Ending.MISFIT
    printed: bool = False
    within_a_play: bool | None = None
    of_the_way: bool = False


def _class(
    pattern: str,
    means: str,
    ending: Ending = Ending.MISFIT,
    *,
    printed: bool = False,
    within_a_play: bool | None = None,
    of_the_way: bool = False,
) -> Class:
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL | re.MULTILINE)
    return Class(compiled, means, ending, printed, within_a_play, of_the_way)


NO_PYTHON = r"the module interpreter '[^']*' was not found|/\S*python[\d.]*: (not found|no such file|command not found)"
HOST_KEY = (
    r"host key verification failed|remote host identification has changed|host key .* has changed|"
    r"no .* host key is known for|revoked host key|host key .* (was|is marked as) revoked|host certificate .* (invalid|revoked)|"
    r"certificate invalid: "
)

CLASSES = (
    _class(HOST_KEY, "the host key was refused", Ending.REFUSED, of_the_way=True),
    _class(r"unable to negotiate with .*no matching", "ssh here and the host's sshd have no algorithm in common"),
    _class(ASKS_A_PERSON, "the playbook asks a person"),
    _class(r"(end of file|eof) on stdin at conffile prompt", "a program on the host asked a question that nobody can answer", printed=True),
    _class(r"incorrect \w+ password|incorrect password attempt|sorry, try again", "the password for sudo is wrong"),
    _class(
        r"missing \w+ password|sudo: a password is required|no password was provided|sudo: a terminal is required|must have a tty to run sudo",
        "sudo wants a password, and the inventory gives none (ansible_become_password)",
    ),
    _class(r"is not in the sudoers file|sorry, user \S+ is not allowed to|user \S+ may not run sudo", "sudo does not allow it to our user"),
    _class(r"sudo: (command )?not found|sudo: no such file", "there is no sudo on the host"),
    _class(r"sudo: unknown user|sudo: .*account validation|sudo: error initializing|sudo: .*sudoers|^sudo: unable to (?!resolve host)", "sudo refuses to work"),
    _class(
        r"waiting for privilege escalation prompt|waiting for become success",
        "sudo waited at a prompt, or was too slow", Ending.FAILED,
    ),
    _class(
        r"future feature annotations is not defined|requires a minimum of python version|"
        r"file \"(<stdin>|[^\"]*ansible/module_utils/(_internal|common|basic|compat|facts)[^\"]*)\"(?=.*syntaxerror)",
        "the host's Python is too old for this ansible-core (set ansible_python_interpreter to a newer one)",
    ),
    _class(
        NO_PYTHON, "the host's Python went away in the middle of the step; another try looks for it anew",
        Ending.FAILED, within_a_play=True,
    ),
    _class(NO_PYTHON, "there is no Python on the host where Ansible looks for it (ansible_python_interpreter)", within_a_play=False),
    _class(r"failed to import the required python library", "the host lacks a Python library that the module needs"),
    _class(
        r"no space left on device|\[errno 28\]|disk quota exceeded|\[errno 122\]|you don't have enough free space|more space needed on the|"
        r"not enough (free |disk )+space",
        "no space is left on the host", printed=True,
    ),
    _class(r"read-only file system|\[errno 30\]", "a file system of the host is read-only", printed=True),
    _class(r"failed to create temporary directory", "the host was reached, but no temporary folder can be made there", Ending.FAILED),
    _class(
        r"no vault secrets|undecryptable variable|decryption failed|vault password file .* was not found|no vault password",
        "a vault value cannot be read here",
    ),
    _class(
        r"couldn't resolve module/action|the role '.*' was not found|no (filter|test) named|on the ansible controller|"
        r"(could not be|was not) found in (configured|library)|the playbook: .* could not be found|(plugin|collection) '?\S+'? (was|could) not|"
        r"unable to (load|find) the? ?\S* ?plugin|could not find (specified )?(file|imported)",
        "something that the playbook names is missing on the controller",
    ),
    _class(
        r"yaml parsing failed|syntax error while loading yaml|conflicting action statements|is not a valid attribute|no module/action detected|"
        r"unsupported parameters for",
        "the playbook has a mistake",
    ),
)  # fmt: skip


def class_of(said: str, printed: str = "", *, begun: bool = False, reached: bool = True) -> Class | None:
    """The class of a failure. `said`: by Ansible and its machinery; `printed`: by a program of the task.

    `begun`: a module has run on the host in this play. `reached`: ssh got there.
    """
    for one in CLASSES:
        if one.within_a_play not in {None, begun} or (one.of_the_way and reached):
            continue
        if one.pattern.search(f"{said}\n{printed}" if one.printed else said):
            return one
    return None


def told(found: Class | None, because: str, otherwise: Ending) -> tuple[Ending, str]:
    """The ending, and the sentence: what it means, and the words that say so."""
    if found is None:
        return otherwise, because
    return found.ending, sentence(f"{found.means}: {because}")
