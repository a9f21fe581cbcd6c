"""The one loop of apply and resume: fold, decide, record the intention, act, record the result."""

from rollout.engine.loop import Engine

__all__ = ["Engine"]
