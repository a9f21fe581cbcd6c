"""The virtual data centre: real SSH hosts on this machine, with faults. Known to the command line alone."""

from rollout.lab.center import DEFAULT_DIRECTORY, HostStatus, Lab, LabStatus
from rollout.lab.faults import KINDS
from rollout.lab.spec import HostSpec, default_hosts, read_spec

__all__ = [
    "DEFAULT_DIRECTORY",
    "KINDS",
    "HostSpec",
    "HostStatus",
    "Lab",
    "LabStatus",
    "default_hosts",
    "read_spec",
]
