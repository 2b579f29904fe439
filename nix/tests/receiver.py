"""Takes what is posted to port 9000 and prints it, a line each: the receiver of alert.nix."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver(BaseHTTPRequestHandler):
    """Whatever comes is fine."""

    def do_POST(self) -> None:
        """Print what came."""
        print(self.rfile.read(int(self.headers["Content-Length"])).decode())  # noqa: T201 - what it is for
        self.send_response(204)
        self.end_headers()


HTTPServer(("127.0.0.1", 9000), Receiver).serve_forever()
