#!/usr/bin/env python3
"""A dynamic inventory: what a cloud's own list of servers would say."""

import json

VMS = {"web-1": "22.04", "web-2": "22.04", "db-1": "24.04"}
HOSTVARS = {name: {"os": f"ubuntu-{release}", "role": name[:-2]} for name, release in VMS.items()}
print(json.dumps({"web": {"hosts": ["web-1", "web-2"]}, "db": {"hosts": ["db-1"]}, "_meta": {"hostvars": HOSTVARS}}))
