"""Which known error a failure is."""

from collections.abc import Collection, Iterable, Iterator

from rollout.model.chain import REMEDY, Step
from rollout.model.plan import Risk
from rollout.model.symptom import shows


def known_errors(
    risks: Iterable[Risk], step: Step, because: str, concerning: Collection[str]
) -> Iterator[Risk]:
    """The risks whose symptom shows in the words of a failed step, in the plan's order: the first is what is acted on.

    `concerning`: the names of those with an `applies` that concern the host (`Node.risks`); the symptom of another means something else there.
    A risk without a symptom is never seen in a failure. Raises SymptomInvalid for one that is no regular expression: plans are checked for that.
    """
    if step.name.startswith(REMEDY):
        return
    for risk in risks:
        is_meant = not risk.steps or step.name in risk.steps or step.kind in risk.steps
        concerns = not risk.applies or risk.name in concerning
        if risk.symptom and is_meant and concerns and shows(risk.symptom, because):
            yield risk


def called(risk: Risk) -> str:
    """Its name, and where more is to be read about it."""
    return f"{risk.name} ({risk.link})" if risk.link else risk.name
