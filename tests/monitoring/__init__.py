"""Monitoring as a site has it: Prometheus and Alertmanager in the lab's control network, node_exporter on its hosts.

All three are Debian's programs. A lab has a network of its own, so the ports are the usual ones and no other lab is met; what runs
there (`rollout lab exec -- rollout apply`) finds the servers at the URLs below.
"""

from tests.monitoring.servers import Alertmanager, Prometheus
from tests.monitoring.site import Monitoring

__all__ = ["Alertmanager", "Monitoring", "Prometheus"]
