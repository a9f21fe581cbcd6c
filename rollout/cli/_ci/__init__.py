"""The parts of `rollout ci`."""
