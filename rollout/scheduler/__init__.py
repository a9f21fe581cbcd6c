"""The whole policy: what should happen next, given where things stand. Pure: no clock, no file, no socket."""

from rollout.scheduler.decide import decide

__all__ = ["decide"]
