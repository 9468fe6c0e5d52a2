"""Behaves in a pod's network as Istio's sidecar does: `python3 sidecar_program.py rules` and then `… proxy`.

This is the source of a program for pods: `tests/e2e/sidecar.py` puts it into them, so it imports nothing of the tests.

`rules` is what istio-init does: it redirects the TCP connections that leave the pod, and those that come in, to the
proxy. Those of the proxy's own user and those of the loopback are left alone. It also drops new connections and DNS
for the first seconds. `proxy` accepts every connection at once, then dials where the connection wanted to go, and
closes it when nothing is there. It listens only after some more seconds, in which every connection is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

USER = 1337
"""Istio's, whose connections are never redirected."""

PORT = 15001
HEALTH_PORT = 15020
"""As in Istio: the kubelet's probes come here, and are passed on to the container that they ask for."""

DROPPED_SECONDS = 4
REFUSED_SECONDS = 4

_SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
_DIAL_SECONDS = 10
_PROBE_SECONDS = 5
_CHUNK = 1 << 16

_RULES = """
table ip sidecar {{
  chain early {{
    type filter hook output priority -150; policy accept;
    meta skuid != {user} oifname != "lo" ct state new meta time < {until} drop
  }}
  chain outbound {{
    type nat hook output priority -100; policy accept;
    meta skuid {user} return
    oifname "lo" return
    meta l4proto tcp redirect to :{port}
  }}
  chain inbound {{
    type nat hook prerouting priority -100; policy accept;
    iifname "lo" return
    tcp dport {health_port} return
    meta l4proto tcp redirect to :{port}
  }}
}}
"""


def rules() -> None:
    """Redirect the pod's connections, as root with NET_ADMIN."""
    until = int(time.time()) + DROPPED_SECONDS
    text = _RULES.format(user=USER, port=PORT, health_port=HEALTH_PORT, until=until)
    subprocess.run(["/usr/sbin/nft", "-f", "-"], input=text, text=True, check=True)


async def proxy() -> None:
    """Serve for ever: probes at once, connections after the seconds in which they are refused."""
    health = http.server.ThreadingHTTPServer(("", HEALTH_PORT), Health)
    threading.Thread(target=health.serve_forever, daemon=True).start()
    await asyncio.sleep(DROPPED_SECONDS + REFUSED_SECONDS)
    server = await asyncio.start_server(_serve, "0.0.0.0", PORT)  # noqa: S104 - connections come from other pods, too
    Health.listening = True
    async with server:
        await server.serve_forever()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Join an accepted connection to the one that it was meant to be, or close it."""
    wanted = _wanted(writer.get_extra_info("socket"))
    with contextlib.closing(writer):
        try:
            dialled = asyncio.open_connection(*wanted)
            behind_reader, behind_writer = await asyncio.wait_for(dialled, _DIAL_SECONDS)
        except OSError as error:
            print(f"nothing at {wanted}: {error!r}", flush=True)
            return
        with contextlib.closing(behind_writer):
            await asyncio.gather(_pass_on(reader, behind_writer), _pass_on(behind_reader, writer))


def _wanted(accepted: socket.socket) -> tuple[str, int]:
    """Return where a redirected connection was to go."""
    address = accepted.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
    port, host = struct.unpack("!2xH4s8x", address)
    return socket.inet_ntoa(host), port


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until it ends or breaks, and end it on the other side too."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


class Health(http.server.BaseHTTPRequestHandler):
    """Answers `/healthz/ready` for the proxy, and each probe of the pod's containers with what it finds."""

    listening = False

    def do_GET(self) -> None:
        if self.path == "/healthz/ready":
            well = Health.listening
        else:
            well = _passes(json.loads(os.environ["PROBES"])[self.path])
        self.send_response(200 if well else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing: there is a request every few seconds."""


def _passes(probe: dict[str, dict[str, object]]) -> bool:
    """Run an httpGet or tcpSocket probe against the container, as the kubelet would."""
    [(kind, asked)] = probe.items()
    at = os.environ["POD_IP"], int(str(asked["port"]))
    try:
        if kind == "tcpSocket":
            socket.create_connection(at, _PROBE_SECONDS).close()
            return True
        connection = http.client.HTTPConnection(*at, timeout=_PROBE_SECONDS)
        connection.request("GET", str(asked.get("path", "/")), headers={"User-Agent": "kube-probe/1.34"})
        return 200 <= connection.getresponse().status < 400
    except OSError:
        return False


if __name__ == "__main__":
    rules() if sys.argv[1] == "rules" else asyncio.run(proxy())
