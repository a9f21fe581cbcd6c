"""Upgrade the operating system of a fleet of hosts, without an operator watching."""
