"""The shell scripts that run as PID 1 of Ray's containers, as text.

Rules that every line keeps, with the fact that forced each:

- POSIX sh only: images have dash, bash or busybox, and not all have bash.
- Neither `$$` nor `$(`: the kubelet expands both in `command` before any shell sees them; hence the backquotes.
- Every wait is on a background child: a shell runs no trap while a foreground child lives, so SIGTERM would be late.
- The user's command is started by `exec`, so that no builtin of the shell (`echo`, `test`) stands in for a program.
- What watches Ray looks at its processes in /proc: neither ps, pgrep nor wget is in slim images, `ray start --block`
  does not notice a raylet that ended with 0, 15 or 143, and a probe over HTTP kills the busy together with the dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from webhook.names import Role

_WORDS: Final = r"""
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
"""`ended` waits for child $c and leaves its status in $rc: `wait` returns early for each signal, and once more after
the child was reaped gives 127. `first` runs what must succeed before the command may start, and waits for it with
`ended`, or with `guarded` once Ray is up."""

_IMAGE: Final = r"""
case $VOLRAY_POD_IP in *:*) say "pod address $VOLRAY_POD_IP is IPv6, which volray does not support yet"; exit 1 ;; esac
ray=`command -v ray` || {
  say "there is no program named ray on this container's PATH, which is $PATH"
  say "use an image that has Ray, or name the folder of its ray program: env: [{name: PATH, value: FOLDER:$PATH}]"
  exit 127
}
"""

_PYTHON: Final = r"""
l= py=; { read -r l < "$ray"; } 2>/dev/null
case $l in '#!'*/env\ *python*) py=${l##*/env } ;; '#!'*python*) py=${l#??} ;; esac
py=${py%% *}; command -v "$py" >/dev/null 2>&1 || py=python3
"""
"""The interpreter that Ray itself runs in: it need not be the first `python3` of the PATH."""

MOST_FILES: Final = 65536

_FILES: Final = rf"""
files=`ulimit -Sn`
case $files in
unlimited) ;;
*) [ "$files" -ge {MOST_FILES} ] || ulimit -Sn {MOST_FILES} 2>/dev/null || ulimit -Sn "`ulimit -Hn`" 2>/dev/null || : ;;
esac
"""
"""Raise the soft limit of open files for Ray: a raylet needs about three for each worker process and the GCS two, and
containerd's default of 1,024 is used up by some 320 processes. The user's command gets back the limit that it had,
because some programs are slow or fail with a high one. KubeRay's number, or the hard limit where that is lower."""

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
"""Raise OSError unless a GCS answers at the head's address.

An accepted connection proves nothing: a service mesh's sidecar accepts every connection and closes it when nothing is
behind it (istio#36540, kuberay#973). A gRPC server answers a client's HTTP/2 preface with a SETTINGS frame, type 4. The
client speaks first, because a sidecar that detects protocols waits for its words."""

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
"""A socket, not `ray health-check`, which imports Ray once more on every worker (measured: 1 to 2 s each)."""

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
"""What runs the program `ray` in its own interpreter, but first imports what that will need, and looks, ten times a
second, for the head's raylet, for which the imported function looks every two seconds (Ray 2.60; earlier ones, without
it, do not wait for a raylet): a worker joins about a second sooner. Whatever goes wrong here is left to `ray start`,
whose own look it only makes shorter. Nothing for a `ray` that is no Python program."""

_JOIN: Final = 'env RAY_NUM_REDIS_GET_RETRIES="${RAY_NUM_REDIS_GET_RETRIES:-@TRIES@}" ${early:+"$py" -c "$early"} '
"""The head's GCS listens before its raylet is known, and `ray start` looks for that 20 times, 2 seconds apart, before
it fails (seen: on two busy cores 40 s were not enough). So it looks for as long as a worker waits for its head."""

_TRY_SECONDS: Final = 2
_TRIES_FOR_EVER: Final = 10**6

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
"""Asks the GCS: `ray list nodes` needs the dashboard, which an image without ray[default] has not. Ray is watched
meanwhile: without a raylet there would never be enough nodes.

The working directory, which `-c` puts first on Python's path, may hold a file named as a module that Ray imports.
With PYTHONSAFEPATH the first entry is another one, which has to stay."""

_PROCESSES: Final = r"""
lives() { { read -r l < "$2"; } 2>/dev/null || return 1; case $l in *" ($1) "[!ZX]*) ;; *) return 1 ;; esac; }
look() { for f in /proc/[0-9]*/stat; do ! lives "$1" "$f" || return 0; done; return 1; }
"""
"""/proc/N/stat is `N (name) S …`; Z and X are the dead that nobody reaped, T is somebody stopped, who lives."""

_STILL: Final = r"""
still() { f=$2; lives "$1" "$2" || look "$1"; }
"""
"""Look again before a process counts as dead: what was found may have been a child of the raylet, which bears its name
until it runs a program of its own."""

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
"""Notice a command that starts Ray, such as a script of the image, which cannot be read at admission. Every twenty
seconds, as it reads a file of every process; twice, as the second one may be a child of the raylet, as above."""

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
"""Some seconds for a command that called `ray stop` as its last act, and for `ray start --block`, to end by themselves
with a status of their own; then the container ends with 1, by the watch's own status 3, which the SIGALRM that follows
the command's end must not change. What was never seen to live is dead, too.

The watch is ended by SIGALRM, for which there is no trap: a new subshell of dash has its parent's traps for a moment
and forgets what came meanwhile, so that a command of a few milliseconds left a watch behind that SIGTERM had not ended.
"""

_PATIENTLY: Final = (
    "5",
    """kill -TERM "$c" 2>/dev/null
  { sleep 15; kill -KILL "$c" 2>/dev/null; } &""",
)
_AT_ONCE: Final = ("3", 'kill -KILL "$c" 2>/dev/null')
"""For a worker's `ray start`, which without a raylet has nothing to lose: before it says that Ray runs, it looks for a
raylet that died for 30 s, SIGTERM or not (seen when a head was lost while its workers started)."""

PATIENCE_BESIDE: Final = 10
"""Seconds until a raylet must be there after `ray start` has said that it is."""

PATIENCE_ALONE: Final = 300
"""The same after `ray start --block` began, which may take long where everything is slow."""

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
"""A shell without job control starts its background children deaf to SIGINT and SIGQUIT; GNU env gives them back."""

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
"""A raylet that is told to end tells its GCS, and tries that for 5 and then 10 s more when there is none (measured:
12 s). A Job that is over ends its head first, so that every worker would stay for that long. Half a second each: the
address of a pod that is gone does not refuse."""


_ON_TERM: Final = "trap 'got TERM; left=1; leave &' TERM\n"
_LEFT: Final = '[ -z "$left" ] || [ "$rc" -ne 137 ] || rc=1\n'
"""1 is what `ray start --block` ends with on SIGTERM; 137 would be read as a lack of memory."""


def start_script(role: Role, ray_start: str, *, beside: bool, wait_head: int = 0, wait_nodes: int = 0) -> str:
    """The script of a node.

    Args:
        role: Head or worker: a worker waits for its head first.
        ray_start: The command line that starts Ray, quoted for a shell.
        beside: The user's command, the script's arguments, runs beside Ray; otherwise Ray is all that runs.
        wait_head: Seconds that a worker waits; 0 is for ever.
        wait_nodes: Nodes that must be alive before a head's command starts.
    """
    waits_for_nodes = role == "head" and beside and wait_nodes > 1
    leaves = role == "worker" and not beside
    start = _join(wait_head) + ray_start if role == "worker" else ray_start
    run = _RUN.replace("@EXEC@", _EXEC_BESIDE if beside else _EXEC_ALONE)
    parts = [
        _WORDS,
        _SIGNALS,
        _IMAGE,
        _FILES,
        _PYTHON if role == "worker" or waits_for_nodes else "",
        _WAIT_HEAD.replace("@WAIT_HEAD@", str(wait_head)) if role == "worker" else "",
        _EARLY if role == "worker" else "",
        _PROCESSES,
        _STILL,
        _SECOND if beside else "",
        _end(_AT_ONCE if leaves else _PATIENTLY, PATIENCE_BESIDE if beside else PATIENCE_ALONE),
        _WATCH[role].replace("@SECOND@", "second; " if beside else ""),
        f"first 'ray start' {start}\n" if beside else f"set -- {start}\n",
        _WAIT_NODES.replace("@WAIT_NODES@", str(wait_nodes)) if waits_for_nodes else "",
        _LEAVE if leaves else "",
        run.replace("@LEAVE@", _ON_TERM if leaves else "").replace("@LEFT@", _LEFT if leaves else ""),
    ]
    return "".join(part.lstrip("\n") for part in parts).replace("@SPEAKS@", _SPEAKS.lstrip("\n"))


def _end(kill: tuple[str, str], patience: int) -> str:
    grace, how = kill
    return _END.replace("@GRACE@", grace).replace("@KILL@", how).replace("@PATIENCE@", str(patience))


def _join(wait_head: int) -> str:
    tries = max(1, wait_head // _TRY_SECONDS) if wait_head else _TRIES_FOR_EVER
    return _JOIN.replace("@TRIES@", str(tries))


def raylet_script() -> str:
    """Exit 0 while a raylet lives: the readiness of a worker, whose waiting start has none."""
    return (_PROCESSES + "look raylet\n").lstrip("\n")


_FIND_PYTHON: Final = "ray=`command -v ray` || ray=\n" + _PYTHON.lstrip("\n")

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
"""With a User-Agent: the dashboard of Ray 2.9.0 to 2.51.1 answers 500 to a request without one (ray#41503,
ray#59042)."""


def health_script(targets: list[str]) -> str:
    """Return a script that exits with 1 while one of Ray's own health endpoints, `PORT/PATH`, reports a failure.

    A failure is a status of 500 or above, or no answer within five seconds. Everything else is none: Ray 1.13 and
    older have no such endpoint and answer 404. Ray without `[default]`, and a head with `--include-dashboard=false`,
    never listen, so a connection is refused, or closed by a sidecar that accepts it for them. PID 1 notices a raylet
    that is gone long before.
    """
    ask = _ASK.lstrip("\n").replace("@TARGETS@", " ".join(targets))
    return _FIND_PYTHON + ask


def gcs_script() -> str:
    """Return a script that exits with 0 when the head's GCS answers, which is the readiness of a head.

    The kubelet's own `tcpSocket` would call a head ready whose port only a sidecar listens on.
    """
    return _FIND_PYTHON + 'exec "$py" -I -S -c \'\n' + _SPEAKS.lstrip("\n") + "speaks(2)\n'\n"
