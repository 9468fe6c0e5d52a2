"""Write the shell scripts of Ray's containers, of PID 1 and of the probes.

Every line keeps these rules, each with the fact that forced it.

- The scripts are POSIX sh, because images have dash, bash or busybox, and not all have
  bash.
- They hold neither `$$` nor `$(`. The kubelet expands both in `command` before any shell
  sees them, hence the backquotes.
- Every wait is for a background child. A shell runs no trap while a foreground child lives,
  so SIGTERM would be late.
- The user's command is started by `exec`, so that no builtin of the shell (`echo`, `test`)
  runs in place of a program.
- What watches Ray looks at its processes in /proc. Slim images have neither ps, pgrep nor
  wget. `ray start --block` does not notice a raylet that ended with 0, 15 or 143, and a
  probe over HTTP kills busy nodes as well as dead ones.

A name between two `@` in a script is replaced when the script is put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from webhook.names import Role

_SAY: Final = r"""
say() { echo "volray: $*" >&2; }
"""

_SIGNALS: Final = r"""
c= s= stopped=
got() { s=$1 stopped=1; [ -z "$c" ] || kill -"$1" "$c" 2>/dev/null; }
for n in TERM INT QUIT HUP USR1 USR2; do trap "got $n" "$n"; done
ended() {
  [ -z "$s" ] || kill -"$s" "$c" 2>/dev/null
  wait "$c" 2>/dev/null; rc=$?
  while [ -n "$s" ]; do s=; wait "$c" 2>/dev/null; r=$?; [ "$r" -eq 127 ] || rc=$r; done
  c=
}
guard=ended
first() {
  what=$1; shift
  "$@" & c=$!; "$guard"
  [ -z "$stopped" ] || exit 143
  [ "$rc" -eq 0 ] || { say "$what: exit status $rc"; exit "$rc"; }
}
"""
"""Functions that pass signals on to the child $c and wait for it.

`ended` waits for the child and leaves its status in $rc. `wait` returns early for each
signal, and gives 127 once the child was reaped. `first` runs what must succeed before the
command may start. It waits with `ended`, and with `guarded` once Ray is up.
"""

_IMAGE: Final = r"""
case $VOLRAY_POD_IP in *:*) say "pod address $VOLRAY_POD_IP is IPv6, which volray does not support yet"; exit 1 ;; esac
ray=`command -v ray` || {
  say "there is no program named ray on this container's PATH, which is $PATH"
  say "use an image that has Ray, or name the folder of its ray program: env: [{name: PATH, value: FOLDER:$PATH}]"
  exit 127
}
"""

_INTERPRETER: Final = r"""
l= py=; { read -r l < "$ray"; } 2>/dev/null
case $l in '#!'*/env\ *python*) py=${l##*/env } ;; '#!'*python*) py=${l#??} ;; esac
py=${py%% *}; command -v "$py" >/dev/null 2>&1 || py=python3
"""
"""Find the interpreter of Ray itself, which need not be the first `python3` of the PATH."""

MOST_FILES: Final = 65536
"""The soft limit of open files for Ray, which is KubeRay's number."""

_FILES: Final = rf"""
files=`ulimit -Sn`
case $files in
unlimited) ;;
*) [ "$files" -ge {MOST_FILES} ] || ulimit -Sn {MOST_FILES} 2>/dev/null || ulimit -Sn "`ulimit -Hn`" 2>/dev/null || : ;;
esac
"""
"""Raise the soft limit of open files for Ray, to the hard limit where that is lower.

A raylet needs about three files for each worker process and the GCS two, so some 320
processes use up containerd's default of 1,024. The user's command gets back the limit that
it had, because some programs are slow or fail with a high one.
"""

_SPEAKS: Final = r"""
import os, socket
host, port = os.environ["VOLRAY_ADDRESS"].rsplit(":", 1)
def speaks(seconds):
    link = socket.create_connection((host, int(port)), seconds)
    link.settimeout(2)
    if os.environ.get("RAY_USE_TLS", "").lower() in ("1", "true"):
        import ssl
        tls = ssl._create_unverified_context()
        tls.load_cert_chain(os.environ.get("RAY_TLS_SERVER_CERT", ""), os.environ.get("RAY_TLS_SERVER_KEY", ""))
        tls.set_alpn_protocols(["h2"])
        link = tls.wrap_socket(link)
    with link:
        link.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        said = link.recv(9)
    if said[3:4] != b"\4":
        raise ConnectionError("no GCS answers there" if said else "the connection was closed without an answer")
"""
"""Python that raises OSError unless a GCS answers at the head's address.

An accepted connection proves nothing. The sidecar of a service mesh accepts every
connection, and closes it when nothing is behind it (istio#36540, kuberay#973). A gRPC
server answers a client's HTTP/2 preface with a SETTINGS frame, which has type 4. The client
sends first, because a sidecar that detects protocols waits for what the client sends.
"""

_WAIT_HEAD: Final = r"""
first "waiting for the head" "$py" -I -S -c '
@SPEAKS@import sys, time
limit, start, said = float(sys.argv[1]), time.monotonic(), 0
while True:
    try:
        speaks(2)
        break
    except OSError as error:
        waited = time.monotonic() - start
        if 0 < limit <= waited:
            sys.exit(f"volray: no head at {host}:{port} in {limit:.0f} s ({error}): giving up (--waitHead)")
        if waited >= said:
            print(f"volray: waiting for the head at {host}:{port} ({error})", file=sys.stderr, flush=True)
            said += 30
        time.sleep(0.2)
' @WAIT_HEAD@
"""
"""Wait on a worker until the head's GCS answers.

This uses a socket and not `ray health-check`, which imports Ray once more on every worker
(measured at 1 to 2 s each).
"""

_EARLY: Final = r"""
early='
import sys
if sys.path[:1] == [""]:
    del sys.path[0]
import os, runpy, shutil, time
del sys.argv[0]
try:
    from ray._private.utils import get_all_node_info_until_retrieved
    from ray._raylet import GcsClient
    import ray.scripts.scripts
    gcs, limit = GcsClient(address=os.environ["VOLRAY_ADDRESS"]), time.monotonic() + 60
    while not gcs.get_all_node_info(timeout=5) and time.monotonic() < limit:
        time.sleep(0.1)
except Exception:
    pass
sys.argv[0] = shutil.which("ray")
runpy.run_path(sys.argv[0], run_name="__main__")
'
case $l in '#!'*"$py"*) ;; *) early= ;; esac
"""
"""Look for the head's raylet before `ray start` does. A worker joins about a second sooner.

This runs the program `ray` in its own interpreter. Before that it imports what `ray start`
will need, and looks for the head's raylet ten times a second. The function that it imports
looks every two seconds (Ray 2.60). Earlier Rays do not have that function and do not wait
for a raylet. An error here is left to `ray start`, whose own wait this only makes shorter.
A `ray` that is no Python program runs as it is.
"""

_JOIN: Final = 'env RAY_NUM_REDIS_GET_RETRIES="${RAY_NUM_REDIS_GET_RETRIES:-@TRIES@}" ${early:+"$py" -c "$early"} '
"""Makes a worker's `ray start` look for the head's raylet for long enough.

The head's GCS listens before its raylet is known. `ray start` looks for the raylet 20
times, 2 seconds apart, and then fails. On two busy cores these 40 s were not enough (seen),
so it looks for as long as the worker waits for its head.
"""

_TRY_SECONDS: Final = 2
_ENDLESS_TRIES: Final = 10**6

_WAIT_NODES: Final = r"""
guard=guarded
first "waiting for nodes" "$py" -c '
import sys
if sys.path[:1] == [""]:
    del sys.path[0]
import os, time, ray
ray.init(address=os.environ["VOLRAY_ADDRESS"], log_to_driver=False, logging_level="ERROR")
wanted, said = int(sys.argv[1]), time.monotonic() - 30
while (alive := sum(node["Alive"] for node in ray.nodes())) < wanted:
    if time.monotonic() - said >= 30:
        print(f"volray: {alive} of {wanted} Ray nodes are alive", file=sys.stderr, flush=True)
        said = time.monotonic()
    time.sleep(0.5)
' @WAIT_NODES@
up=1
"""
"""Wait on a head until enough nodes are alive.

This asks the GCS, because `ray list nodes` needs the dashboard, which an image without
ray[default] does not have. Ray is watched meanwhile, because without a raylet there would
never be enough nodes.

The working directory, which `-c` puts first on Python's path, may hold a file with the name
of a module that Ray imports. With PYTHONSAFEPATH the first entry is another one, which has
to stay.
"""

_PROCESSES: Final = r"""
lives() { { read -r l < "$2"; } 2>/dev/null || return 1; case $l in *" ($1) "[!ZX]*) ;; *) return 1 ;; esac; }
look() { for f in /proc/[0-9]*/stat; do ! lives "$1" "$f" || return 0; done; return 1; }
"""
"""Functions that look for a living process by its name.

/proc/N/stat begins with `N (name) S`, where S is the state. Z and X are dead processes that
were not reaped. T is a stopped process, which lives.
"""

_STILL: Final = r"""
still() { f=$2; lives "$1" "$2" || look "$1"; }
"""
"""Look again before a process counts as dead.

The process that was found may have been a child of the raylet, which has the raylet's name
until it runs a program of its own.
"""

_SECOND: Final = r"""
told= looks=
two() { n=; for f in /proc/[0-9]*/stat; do ! lives raylet "$f" || n=.$n; done; [ "${#n}" -gt 1 ]; }
second() {
  looks=.$looks
  [ -z "$told" ] && [ "${#looks}" -ge 10 ] || return
  looks=
  two && sleep 1 && two || return
  told=1
  say "a second raylet runs in this container, so its command starts Ray as well and both announce its resources"
  say "write the annotation ray.volcano.sh/command: own in the template, and volray leaves Ray to the command"
}
"""
"""Notice a command that starts Ray by a script of the image, which admission cannot read.

This looks every twenty seconds, because it reads a file of every process. It looks twice,
because the second process may be a child of the raylet, as above.
"""

_WATCH: Final = {
    "head": r"""
watch() {
  await raylet; a=$f; await gcs_server; b=$f
  [ -n "$up" ] || say "Ray is up"
  while still raylet "$a" && a=$f && still gcs_server "$b" && b=$f; do @SECOND@sleep 2; done
  end "raylet or GCS"
}
""",
    "worker": r"""
watch() {
  await raylet; a=$f
  [ -n "$up" ] || say "Ray is up"
  while still raylet "$a" && a=$f; do @SECOND@sleep 2; done
  end raylet
}
""",
}

_END: Final = r"""
up=
end() {
  sleep @GRACE@
  say "Ray's $1 has ended: ending this container"
  trap '' ALRM
  @KILL@
  exit 3
}
await() { t=; until look "$1"; do t=.$t; [ "${#t}" -lt @PATIENCE@ ] || end "$1"; sleep 1; done; }
guarded() {
  watch & w=$!
  ended
  kill -ALRM "$w" 2>/dev/null; wait "$w" 2>/dev/null
  [ "$?" -ne 3 ] || rc=1
}
"""
"""Functions that watch Ray beside the command and end the container when Ray has ended.

A command that called `ray stop` last, and `ray start --block`, get some seconds to end by
themselves with a status of their own. After that the container ends with 1. The watch
reports that by its own status 3, which the SIGALRM after the command's end must not change.
A process that was never seen to live counts as dead, too.

The watch is ended by SIGALRM, for which there is no trap. A new subshell of dash has its
parent's traps for a moment and forgets the signals that came meanwhile. With SIGTERM, a
command of a few milliseconds left a watch behind.
"""


@dataclass(frozen=True)
class _Ending:
    """How the container's program is ended after Ray has ended."""

    grace: int
    """Seconds until then."""
    kill: str


_PATIENTLY: Final = _Ending(
    5,
    """kill -TERM "$c" 2>/dev/null
  { sleep 15; kill -KILL "$c" 2>/dev/null; } &""",
)

_AT_ONCE: Final = _Ending(3, 'kill -KILL "$c" 2>/dev/null')
"""For a worker's `ray start`, which has nothing to lose without a raylet.

Before it reports that Ray runs, it looks for 30 s for a raylet that has died, SIGTERM or
not (seen when a head was lost while its workers started).
"""

PATIENCE_BESIDE: Final = 10
"""Seconds until a raylet must be there after `ray start` has reported that it is."""

PATIENCE_ALONE: Final = 300
"""The same after the begin of `ray start --block`, which may take long on a slow node."""

_RUN: Final = r"""
case $1 in
*=*) ;;
*) ! env --default-signal=INT,QUIT true 2>/dev/null || set -- env --default-signal=INT,QUIT "$@" ;;
esac
exec 3<&0
@EXEC@ <&3 3<&- & c=$!
exec 3<&-
@LEAVE@guarded
@LEFT@exit "$rc"
"""
"""Run the command and end with its status.

A shell without job control starts its background children with SIGINT and SIGQUIT ignored.
GNU env makes them arrive again.
"""

_EXEC_BESIDE: Final = '{ ulimit -Sn "$files" 2>/dev/null; exec "$@"; }'
_EXEC_ALONE: Final = 'exec "$@"'

_LEAVE: Final = r"""
left=
leave() {
  "$py" -I -S -c '
@SPEAKS@import time
missed = 0
while missed < 2:
    try:
        speaks(0.5)
        missed = 0
    except OSError:
        missed += 1
    time.sleep(0.3)
' || return
  say "no head is left to take leave of: ending this container"
  kill -KILL "$c" 2>/dev/null
}
"""
"""End a worker at once if its head is gone when it is told to end.

A raylet that is told to end tells its GCS. Without a GCS it tries that for 5 s and then for
10 s more (measured at 12 s). A Job that is over ends its head first, so every worker would
stay for that long. Each try has half a second, because the address of a pod that is gone
does not refuse a connection.
"""

_ON_TERM: Final = "trap 'got TERM; left=1; leave &' TERM\n"
_STATUS_AFTER_LEAVE: Final = '[ -z "$left" ] || [ "$rc" -ne 137 ] || rc=1\n'
"""End with 1, as `ray start --block` does on SIGTERM. 137 would be read as a lack of memory."""


def start_script(
    role: Role,
    ray_start: str,
    *,
    beside: bool,
    wait_head: int = 0,
    wait_nodes: int = 0,
) -> str:
    """Return the script of a node.

    Args:
        role: Head or worker. A worker waits for its head first.
        ray_start: The command line that starts Ray, quoted for a shell.
        beside: The user's command, which is the script's arguments, runs beside Ray.
            Otherwise Ray is all that runs.
        wait_head: Seconds that a worker waits. 0 means without end.
        wait_nodes: Nodes that must be alive before a head's command starts.
    """
    is_worker = role == "worker"
    waits_for_nodes = not is_worker and beside and wait_nodes > 1
    parts = [_SAY, _SIGNALS, _IMAGE, _FILES]
    if is_worker or waits_for_nodes:
        parts.append(_INTERPRETER)
    if is_worker:
        parts.append(_WAIT_HEAD.replace("@WAIT_HEAD@", str(wait_head)))
        parts.append(_EARLY)
        ray_start = _join_prefix(wait_head) + ray_start
    parts += [_PROCESSES, _STILL]
    if beside:
        parts.append(_SECOND)
    parts += _watch_parts(role, beside=beside)
    parts.append(f"first 'ray start' {ray_start}\n" if beside else f"set -- {ray_start}\n")
    if waits_for_nodes:
        parts.append(_WAIT_NODES.replace("@WAIT_NODES@", str(wait_nodes)))
    parts += _run_parts(beside=beside, takes_leave=is_worker and not beside)
    text = "".join(part.lstrip("\n") for part in parts)
    return text.replace("@SPEAKS@", _SPEAKS.lstrip("\n"))


def _join_prefix(wait_head: int) -> str:
    """Return what stands before a worker's `ray start`."""
    tries = max(1, wait_head // _TRY_SECONDS) if wait_head else _ENDLESS_TRIES
    return _JOIN.replace("@TRIES@", str(tries))


def _watch_parts(role: Role, *, beside: bool) -> list[str]:
    """Return the parts that watch Ray."""
    ending = _PATIENTLY if beside or role == "head" else _AT_ONCE
    patience = PATIENCE_BESIDE if beside else PATIENCE_ALONE
    end = _END.replace("@GRACE@", str(ending.grace)).replace("@KILL@", ending.kill)
    return [
        end.replace("@PATIENCE@", str(patience)),
        _WATCH[role].replace("@SECOND@", "second; " if beside else ""),
    ]


def _run_parts(*, beside: bool, takes_leave: bool) -> list[str]:
    """Return the parts that run the command, or Ray where nothing runs beside it."""
    run = _RUN.replace("@EXEC@", _EXEC_BESIDE if beside else _EXEC_ALONE)
    if not takes_leave:
        return [run.replace("@LEAVE@", "").replace("@LEFT@", "")]
    return [_LEAVE, run.replace("@LEAVE@", _ON_TERM).replace("@LEFT@", _STATUS_AFTER_LEAVE)]


def raylet_script() -> str:
    """Return a script that exits with 0 while a raylet lives.

    That is the readiness of a worker, because a start that waits for its head has no raylet
    yet.
    """
    return (_PROCESSES + "look raylet\n").lstrip("\n")


_FIND_PYTHON: Final = "ray=`command -v ray` || ray=\n" + _INTERPRETER.lstrip("\n")

_ASK: Final = r"""
exec "$py" -I -S -c '
import http.client, os, sys
for target in sys.argv[1:]:
    port, path = target.split("/", 1)
    connection = http.client.HTTPConnection(os.environ["VOLRAY_POD_IP"], int(port), timeout=5)
    try:
        connection.request("GET", "/" + path, headers={"User-Agent": "volray"})
        status = connection.getresponse().status
    except (ConnectionRefusedError, ConnectionResetError):
        continue
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"{target}: {error}")
    if status >= 500:
        sys.exit(f"{target}: {status}")
' @TARGETS@
"""
"""Ask Ray's health endpoints.

The request has a User-Agent, because the dashboard of Ray 2.9.0 to 2.51.1 answers 500 to a
request without one (ray#41503, ray#59042).
"""


def health_script(targets: list[str]) -> str:
    """Return a script that exits with 1 while a health endpoint of Ray reports a failure.

    A failure is a status of 500 or above, or no answer within five seconds. Nothing else
    counts as one. Ray 1.13 and older have no such endpoint and answer 404. Ray without
    `[default]`, and a head with `--include-dashboard=false`, never listen, so that a
    connection is refused, or closed by a sidecar that accepts it for them. PID 1 notices a
    raylet that is gone long before.

    Args:
        targets: The endpoints, each as `PORT/PATH`.
    """
    ask = _ASK.lstrip("\n").replace("@TARGETS@", " ".join(targets))
    return _FIND_PYTHON + ask


def gcs_script() -> str:
    """Return a script that exits with 0 if the head's GCS answers.

    That is the readiness of a head. With the kubelet's own `tcpSocket`, a head whose port
    only a sidecar listens on would be ready.
    """
    code = _SPEAKS.lstrip("\n") + "speaks(2)\n"
    return f"""{_FIND_PYTHON}exec "$py" -I -S -c '\n{code}'\n"""
