"""Files in Git and an Ansible inventory become a Plan and a Fleet; every mistake is reported at once, with its place."""

from rollout.plan.reader import read

__all__ = ["read"]
