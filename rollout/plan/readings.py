"""What is known of each host, from its variables, the facts beside them, and what probes have found."""

from collections.abc import Mapping
from typing import Any

from rollout.model.plan import Plan
from rollout.plan import factors as declared
from rollout.plan.hostvars import MISSING, Unusable, text_of, texts_of
from rollout.plan.inventory import Inventory
from rollout.plan.probes import Record

Lacking = dict[tuple[str, str], list[str]]
"""(name, why it cannot be used; empty: nobody knows it) -> hosts."""

_PYTHON_OF_ANSIBLE = "ansible_python_version"
_NOTHING = Record(0.0)


class Reader:
    """Reads hosts as the plan wants them. Hosts with equal facts share them: of 10,000 hosts there are few kinds."""

    def __init__(self, plan: Plan, inventory: Inventory) -> None:
        self._plan, self._inventory = plan, inventory
        self._names = {factor: declared.names_in(source) for factor, source in plan.factors.items()}
        self._needed = {
            factor: declared.needed(factor, source, plan.factors) for factor, source in plan.factors.items()
        }
        self._order = declared.in_order(plan.factors)
        self._plain = {
            name: source for name, source in plan.factors.items() if not declared.is_derived(source)
        }
        self._reordered = self._order != tuple(plan.factors)
        self._facts = declared.facts_wanted(plan)
        self._shared: dict[Any, Any] = {}

    def factors(self, host: str) -> tuple[Mapping[str, str], Mapping[str, list[tuple[str, str]]]]:
        """The host's factors; and by factor, what keeps it from having one: (name, why), of the names that no other factor accounts for."""
        variables = self._inventory.variables(host)
        own: dict[str, str] = {}
        lacking: dict[str, list[tuple[str, str]]] = {}
        for factor in self._order:
            try:
                found: str | None = text_of(variables, self._plain[factor])
            except (KeyError, Unusable):  # it is put together, or not in the inventory
                found, missing = self._put_together(variables, self._record(host), factor, own)
                if found is None and missing:
                    lacking[factor] = missing
            if found is not None:
                own[factor] = self._shared.setdefault(found, found)
        if self._reordered:
            own = {factor: own[factor] for factor in self._plan.factors if factor in own}
        return own, lacking

    def _put_together(
        self, variables: Mapping[str, Any], record: Record, factor: str, own: Mapping[str, str]
    ) -> tuple[str | None, list[tuple[str, str]]]:
        """The factor, if it can be had; and what is missing."""
        values: dict[str, str] = {}
        missing: list[tuple[str, str]] = []
        for name in self._names[factor]:
            if name in self._needed[factor]:
                if name in own:
                    values[name] = own[name]
                continue
            try:
                values[name] = self._value(variables, record, factor, name)
            except Unusable as error:
                missing.append((name, "" if str(error) == MISSING else str(error)))
        if not missing and len(values) == len(self._names[factor]):
            return declared.filled(self._plan.factors[factor], values), missing
        return record.text(self._plan.probes.get(factor, "")), missing

    def _value(self, variables: Mapping[str, Any], record: Record, factor: str, name: str) -> str:
        """The hostvar or fact; else what a probe has found under that name, unless the plan says what a probe calls the whole factor."""
        try:
            return text_of(variables, name)
        except Unusable:
            found = None if factor in self._plan.probes else record.text(declared.of_a_probe(name))
            if found is None:
                raise
            return found

    def probed(self, host: str) -> Mapping[str, str]:
        """The factors as a probe alone tells them."""
        record = self._inventory.probed.get(host)
        if record is None:
            return self._share({})
        found: dict[str, str] = {}
        for factor in self._order:
            text = self._of_probe(record, factor, found)
            if text is not None:
                found[factor] = text
        return self._share(found)

    def _of_probe(self, record: Record, factor: str, others: Mapping[str, str]) -> str | None:
        named = self._plan.probes.get(factor)
        if named is not None:
            return record.text(named)
        values: dict[str, str] = {}
        for name in self._names[factor]:
            other = name in self._needed[factor]
            text = others.get(name) if other else record.text(declared.of_a_probe(name))
            if text is None:
                return None
            values[name] = text
        return declared.filled(self._plan.factors[factor], values)

    def facts(self, host: str) -> Mapping[str, tuple[str, ...]]:
        """What the plan asks for beside factors, and is known."""
        variables, record = self._inventory.variables(host), self._record(host)
        found: dict[str, tuple[str, ...]] = {}
        for name in self._facts:
            hostvar = _PYTHON_OF_ANSIBLE if name == declared.PYTHON else name
            values = texts_of(variables, hostvar) or record.facts.get(declared.of_a_probe(name), ())
            if values:
                found[name] = values
        return self._share(found)

    def _record(self, host: str) -> Record:
        found: Record = self._inventory.probed.get(host, _NOTHING)
        return found

    def _share(self, found: dict[str, Any]) -> Mapping[str, Any]:
        key = tuple(found.items())
        shared: Mapping[str, Any] = self._shared.setdefault(key, found)
        return shared
