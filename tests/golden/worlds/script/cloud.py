#!/usr/bin/env python3
"""A dynamic inventory: what a cloud's own list of servers would say."""

import json
import sys

VMS = {"web-1": "22.04", "web-2": "22.04", "db-1": "24.04"}
HOSTVARS = {name: {"os": f"ubuntu-{release}", "role": name[:-2]} for name, release in VMS.items()}
GROUPS = {"web": {"hosts": ["web-1", "web-2"]}, "db": {"hosts": ["db-1"]}}
sys.stdout.write(json.dumps({**GROUPS, "_meta": {"hostvars": HOSTVARS}}))
