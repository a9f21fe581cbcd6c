"""Connection variables as our own connections need them: those that `ansible-inventory` leaves to Ansible itself.

An inline vault value is decrypted by `ansible-vault`, with the passwords of the user's own configuration. `{{ name }}`, where
sudo's password commonly stands, is the host's variable of that name; of any other template only Ansible knows what it means.
"""

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollout.errors import InventoryError, SshUnsupported
from rollout.plan import asking
from rollout.plan.words import plain

_NAME = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_LONGEST = 5
"""Names that stand for names, one after another."""


class Vaults:
    """Each value is decrypted once and kept in memory alone. `folder` is the plan's, from where Ansible is asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def opened(self, host: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """The host's variables, those whose names begin with `ansible_` readable. Raises SshUnsupported with the cause."""
        found: dict[str, Any] = {}
        for name, value in variables.items():
            if name.startswith("ansible_"):
                meant = _meant(value, variables)
                if isinstance(meant, Mapping) and isinstance(sealed := meant.get("__ansible_vault"), str):
                    meant = self._decrypted(host, name, sealed)
                if meant is not value:
                    found[name] = meant
        return {**variables, **found} if found else variables

    def _decrypted(self, host: str, name: str, sealed: str) -> str:
        with self._lock:
            if sealed not in self._known:
                try:
                    self._known[sealed] = asking.decrypted(sealed, self._folder)
                except InventoryError as error:
                    raise SshUnsupported(f"{plain(host)}: {plain(name)} is a vault value: {error}") from error
            return self._known[sealed]


def _meant(value: Any, variables: Mapping[str, Any]) -> Any:
    for _ in range(_LONGEST):
        named = _NAME.fullmatch(value.strip()) if isinstance(value, str) else None
        if named is None or named[1] not in variables:
            return value
        value = variables[named[1]]
    return value
