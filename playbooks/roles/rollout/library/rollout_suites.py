"""Switch apt's sources to another suite: in place, or in a copy. Runs on the host, with Python 3.9 or later."""  # noqa: INP001  Ansible loads it by path

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: rollout_suites
short_description: Switch apt's sources to another suite
description:
  - Reads C(sources.list), C(*.list) and C(*.sources) and replaces one suite, and those derived from it
    (C(-updates), C(-security), C(-backports)), by another. C(X/updates), the security suite of Debian 10 and before,
    becomes C(Y-security). Comments, options, order and everything else stay as they are.
options:
  from_suite: {description: The suite to replace, type: str, default: ""}
  to_suite: {description: The suite to name instead. Empty switches nothing., type: str, default: ""}
  keep: {description: Globs over the names of files that stay as they are, type: list, elements: str, default: []}
  into: {description: Write a copy of all source files there; the host's own stay untouched, type: path}
  backup: {description: Switch in place, and keep there what is switched as it was before, type: path}
  etc: {description: Where the sources are, type: path, default: /etc/apt}
author: the rollout project
"""
EXAMPLES = r"""
- name: Go from bookworm to trixie
  rollout_suites: {from_suite: bookworm, to_suite: trixie, backup: /var/backups/rollout/bookworm}
"""
RETURN = r"""
switched: {description: The files that name another suite now, type: list, returned: success}
suites: {description: All suites that the sources name now, type: list, returned: success}
"""

# type, options, URI (a CD-ROM's has blanks within brackets), suite, components
_ONE_LINE = re.compile(
    r"^(\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s*)?(?:cdrom:\[[^\]]*\]\S*|\S+)\s+)([^\s#]+)(.*)$", re.DOTALL
)
_SUITES = re.compile(r"^(Suites:)(.*)$", re.IGNORECASE | re.DOTALL)


Rename = Callable[[str], str]
Texts = dict[Path, "tuple[str, str]"]


def renamed(suite: str, from_suite: str, to_suite: str) -> str:
    """The suite that takes the place of `suite`; itself if it is none of the release's."""
    if suite == from_suite:
        return to_suite
    if suite == from_suite + "/updates":
        return to_suite + "-security"
    if suite.startswith(from_suite + "-"):
        return to_suite + suite[len(from_suite) :]
    return suite


def switch_one_line(text: str, rename: Rename) -> str:
    """The text of a one-line-style file with each suite passed through `rename`."""
    lines = []
    for line in text.splitlines(keepends=True):
        found = _ONE_LINE.match(line)
        lines.append(found.group(1) + rename(found.group(2)) + found.group(3) if found else line)
    return "".join(lines)


def switch_deb822(text: str, rename: Rename) -> str:
    """The text of a deb822-style file with each suite passed through `rename`; the field may go over several lines."""
    lines, within = [], False
    for line in text.splitlines(keepends=True):
        found = _SUITES.match(line)
        if line.startswith("#"):
            lines.append(line)
        elif found:
            within = True
            lines.append(found.group(1) + _each_word(found.group(2), rename))
        else:
            within = within and line[:1] in {" ", "\t"}
            lines.append(_each_word(line, rename) if within else line)
    return "".join(lines)


def _each_word(text: str, rename: Rename) -> str:
    return re.sub(r"\S+", lambda word: rename(word.group()), text)


def source_files(etc: Path) -> list[Path]:
    """The files that apt reads sources from, relative to `etc`."""
    parts = sorted(
        path for path in (etc / "sources.list.d").glob("*") if path.suffix in {".list", ".sources"}
    )
    return [path.relative_to(etc) for path in (etc / "sources.list", *parts) if path.is_file()]


def read(etc: Path, keep: list[str], rename: Rename) -> tuple[Texts, set[str]]:
    """The text of each source file as it is and as it shall be, and the suites that it names then."""
    texts: Texts = {}
    named: set[str] = set()

    def note(suite: str) -> str:
        named.add(suite)
        return suite

    for name in source_files(etc):
        old = (etc / name).read_text(encoding="utf-8")
        switch = switch_deb822 if name.suffix == ".sources" else switch_one_line
        kept = any(fnmatch.fnmatch(name.name, glob) for glob in keep)
        new = old if kept else switch(old, rename)
        switch(new, note)
        texts[name] = (old, new)
    return texts, named


def _write(module: AnsibleModule, path: Path, text: str, like: Path) -> None:
    """Replace `path` in one move, with the mode and owner of `like`."""
    handle, scratch = tempfile.mkstemp(dir=str(path.parent), prefix=".rollout-")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    shutil.copystat(str(like), scratch)
    owner = like.stat()
    os.chown(scratch, owner.st_uid, owner.st_gid)
    module.atomic_move(scratch, str(path))


def _write_copy(module: AnsibleModule, etc: Path, into: Path, texts: Texts) -> None:
    shutil.rmtree(str(into), ignore_errors=True)
    for directory in (into / "sources.list.d", into / "lists" / "partial"):
        directory.mkdir(parents=True)
    for name, (_, new) in texts.items():
        _write(module, into / name, new, etc / name)


def _write_in_place(module: AnsibleModule, etc: Path, backup: Path, texts: Texts) -> None:
    for name, (old, new) in texts.items():
        if old != new:
            (backup / name).parent.mkdir(parents=True, exist_ok=True)
            _write(module, backup / name, old, etc / name)
            _write(module, etc / name, new, etc / name)


def _refuse_bad_suites(module: AnsibleModule, from_suite: str, to_suite: str) -> None:
    for suite in (from_suite, to_suite):
        if not re.fullmatch(r"([a-z0-9][a-z0-9.+-]*)?", suite):
            module.fail_json(msg=f"{suite!r} is no suite: a codename such as trixie was expected")
    if to_suite and not from_suite:
        module.fail_json(
            msg="the suite to replace is not known: set rollout_from_suite to what the sources name now"
        )


def run(module: AnsibleModule) -> dict[str, Any]:
    """Carry out the module's parameters; its result."""
    given = module.params
    etc, from_suite, to_suite = Path(given["etc"]), given["from_suite"], given["to_suite"]
    _refuse_bad_suites(module, from_suite, to_suite)
    texts, named = read(
        etc, given["keep"], lambda suite: renamed(suite, from_suite, to_suite) if to_suite else suite
    )
    if to_suite and to_suite not in named:
        module.fail_json(
            msg=f"no source in {etc} names the suite {from_suite} or {to_suite}; they name: "
            f"{', '.join(sorted(named)) or 'none at all'}. Set rollout_from_suite to the one to replace"
        )
    if given["into"] and not module.check_mode:
        _write_copy(module, etc, Path(given["into"]), texts)
    elif given["backup"] and not module.check_mode:
        _write_in_place(module, etc, Path(given["backup"]), texts)
    switched = [name for name, (old, new) in texts.items() if old != new]
    return {
        "changed": bool(switched) and not given["into"],
        "switched": [str(name) for name in switched],
        "suites": sorted(named),
        "diff": [
            {
                "before": texts[name][0],
                "after": texts[name][1],
                "before_header": str(name),
                "after_header": str(name),
            }
            for name in switched
        ],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "from_suite": {"type": "str", "default": ""},
            "to_suite": {"type": "str", "default": ""},
            "keep": {"type": "list", "elements": "str", "default": []},
            "into": {"type": "path"},
            "backup": {"type": "path"},
            "etc": {"type": "path", "default": "/etc/apt"},
        },
        mutually_exclusive=[("into", "backup")],
        required_one_of=[("into", "backup")],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except (OSError, UnicodeDecodeError) as error:
        module.fail_json(msg=f"apt's sources cannot be read or written: {error}")


if __name__ == "__main__":
    main()
