"""Real-time monitoring of many Linux machines: four daemons and a command."""

import os

__version__ = "0.1.0"

# gRPC looks at it while it is imported, and writes to standard error in a form of its own: only what went wrong.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
