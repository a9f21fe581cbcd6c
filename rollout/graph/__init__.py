"""Plan and fleet become a graph of waves. Pure; networkx lives only here."""

from rollout.graph.compile import compile_graph

__all__ = ["compile_graph"]
