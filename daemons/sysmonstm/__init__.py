"""Real-time monitoring of many Linux machines: four daemons and a command."""

__version__ = "0.1.0"
