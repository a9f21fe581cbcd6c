"""Design, invariants I1 and I4 to I7: whenever the controller dies, the run ends as if it had not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.torn import carry_out, check_rules, ends
from tests.engine.worlds import Case, Death, all_deaths, cases

pytestmark = pytest.mark.timeout(7200)  # the search for counter-examples may be a long one


@given(cases(), all_deaths)
def test_a_run_that_dies_ends_as_one_that_does_not(case: Case, deaths: list[Death]) -> None:
    whole = carry_out(case, [])
    check_rules(case, whole)
    torn = carry_out(case, deaths)
    check_rules(case, torn)
    assert torn.stop.exit_code == whole.stop.exit_code
    assert ends(torn, among=whole) == ends(whole, among=torn)


@given(
    cases(lasting=True), st.lists(st.builds(Death, st.integers(1, 40), st.booleans()), min_size=1, max_size=4)
)
def test_a_lost_machine_costs_only_the_hosts_whose_outcome_cannot_be_known(
    case: Case, deaths: list[Death]
) -> None:
    whole = carry_out(case, [])
    torn = carry_out(case, deaths, power=False)
    check_rules(case, torn)
    uncertain = {name for name, host in torn.state.hosts.items() if host.uncertain}
    known = {name for name, host in whole.state.hosts.items() if host.uncertain}
    for name in uncertain - known:
        assert torn.state.hosts[name].step == "upgrade", "only a `once` step leaves a doubt"
    if uncertain == known:
        assert torn.stop.exit_code == whole.stop.exit_code
        assert ends(torn, among=whole) == ends(whole, among=torn)
