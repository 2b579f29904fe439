"""sysmon-gatewayd: what people and programs see of the fleet, over HTTP and WebSocket."""
