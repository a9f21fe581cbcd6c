"""Four eyes: who wrote the plan, and the files that it runs, is not who approves it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rollout.cli import _git
from rollout.cli._approved import Approver
from rollout.errors import ApprovalMissing
from rollout.report.plain import plain

AT_ONCE = 1000
"""Files that Git is asked for by one command: a longer one may be refused by the system."""

SUBMODULE = "160000"
"""Its mode, in Git's index."""


class Author(NamedTuple):
    name: str
    email: str
    commit: str


def refuse(plan_file: Path, parts: Iterable[str], who: Approver) -> None:
    """Refuse whoever wrote the newest commit of the plan's file, or the newest of the other files that the run goes by.

    `parts`: names as of `Graph.parts`; those that are no file of the plan's repository, or that Git is told to ignore, have no author here. Raises
    ApprovalMissing, also when nobody can tell.
    """
    shown = str(plan_file)
    folder = plan_file.absolute().parent
    # of a link it counts who wrote what it leads to, and who made it
    for path in dict.fromkeys((plan_file.resolve(), plan_file.absolute())):
        author = _author(path.parent, shown, [f"./{path.name}"])
        if author is None:
            raise _unknown(shown, "no commit of this repository holds it")
        _refuse_one(author, f"wrote {plain(shown)}", who)
    files = sorted(_ours(folder, parts))
    for first in range(0, len(files), AT_ONCE):
        author = _author(folder, f"what {shown} runs", files[first : first + AT_ONCE])
        if author is not None:
            _refuse_one(author, f"changed what {plain(shown)} runs", who)


def _refuse_one(author: Author, did: str, who: Approver) -> None:
    if who.names & _known_as(author):
        raise ApprovalMissing(
            f"the plan wants four eyes: {plain(author.name)} <{plain(author.email)}> {did} last (commit {author.commit[:12]}), "
            f"so somebody else than {plain(who.shown)} must approve it"
        )


def _known_as(author: Author) -> set[str]:
    """In small letters. GitLab's private address of a commit is `42-login@users.noreply.SERVER`, which stays when the login changes."""
    email = author.email.lower()
    local, _, server = email.partition("@")
    plus = local.partition("+")[0]
    number, _, login = local.partition("-")
    private = {login, number} if server.startswith("users.noreply.") and number.isdigit() else set()
    return {email, local, plus, f"{plus}@{server}", author.name.lower(), *private} - {""}


def _author(folder: Path, shown: str, paths: Sequence[str]) -> Author | None:
    """Of the newest commit that changed one of the files; None if no commit holds any."""
    # a name with an asterisk is no other file
    changes = _git.output(folder, "--literal-pathspecs", "status", "--porcelain", "--", *paths)
    if changes:
        raise _unknown(shown, f"it has changes that are in no commit: {changes.splitlines()[0].strip()}")
    said = _git.output(folder, "--literal-pathspecs", "log", "-1", "--format=%H%n%an%n%ae", "--", *paths)
    if said is None or changes is None:
        raise _unknown(shown, "Git finds no repository that it trusts there (`git log` says more)")
    if not said:
        return None
    commit, name, email = said.split("\n")
    if _git.output(folder, "rev-parse", "--is-shallow-repository") != "false" and commit in _boundaries(
        folder
    ):
        why = "the clone is shallow, and does not reach back to who wrote it: `GIT_DEPTH: 0` in the job"
        raise _unknown(shown, why)
    return Author(name, email, commit)


def _ours(folder: Path, parts: Iterable[str]) -> set[str]:
    """The paths under which the repository knows these files, and the links that lead to them; a submodule is known by its own."""
    top = _git.output(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return set()  # the plan's file has been asked for already
    index = _git.output(Path(top), "ls-files", "--stage", "-z") or ""
    entries = (entry.partition("\t") for entry in index.split("\0"))
    modules = {Path(top) / path for mode, _, path in entries if mode.startswith(SUBMODULE)}
    found = set[str]()
    for name in parts:
        file = folder / name
        for path in _with_links(file) if file.is_file() else ():
            if path.is_relative_to(top):
                module = next((one for one in modules if path.is_relative_to(one)), path)
                found.add(os.path.relpath(module, folder.resolve()))
    return found


def _with_links(file: Path) -> Iterator[Path]:
    """What it is, at the end of all links, and each link on the way there."""
    real = file.resolve()
    yield real
    place = Path(os.path.normpath(file.absolute()))
    for path in (place, *place.parents):
        if path.is_symlink():
            yield path.parent.resolve() / path.name


def _boundaries(folder: Path) -> str:
    found = folder / (_git.output(folder, "rev-parse", "--git-path", "shallow") or "")
    return found.read_text(encoding="ascii", errors="replace") if found.is_file() else ""


def _unknown(what: str, why: str) -> ApprovalMissing:
    return ApprovalMissing(
        f"the plan wants four eyes, and who wrote {plain(what)} is not known: {plain(why)}"
    )
