"""Hints: `to_hubs` tells connected clients that something happened, `to_workers` tells workers that
there is work. A hint may be lost; its receivers also look by themselves. `layer_wire` sends to hubs
from code without an event loop."""
