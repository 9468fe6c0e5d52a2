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
    from webhook.roles import Role

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
first() {
  what=$1; shift
  "$@" & c=$!; ended
  [ -z "$stopped" ] || exit 143
  [ "$rc" -eq 0 ] || { say "$what: exit status $rc"; exit "$rc"; }
}
"""
"""`ended` waits for child $c and leaves its status in $rc: `wait` returns early for each signal, and once more after
the child was reaped gives 127. `first` runs what must succeed before the command may start."""

_IMAGE: Final = r"""
case $VOLRAY_POD_IP in *:*) say "pod address $VOLRAY_POD_IP is IPv6, which volray does not support yet"; exit 1 ;; esac
ray=`command -v ray` || { say "this image has no program named ray on its PATH"; exit 127; }
"""

_PYTHON: Final = r"""
l= py=; { read -r l < "$ray"; } 2>/dev/null
case $l in '#!'*/env\ *python*) py=${l##*/env } ;; '#!'*python*) py=${l#??} ;; esac
py=${py%% *}; command -v "$py" >/dev/null 2>&1 || py=python3
"""
"""The interpreter that Ray itself runs in: it need not be the first `python3` of the PATH."""

_WAIT_HEAD: Final = r"""
first "waiting for the head" "$py" -I -S -c '
import os, socket, sys, time
host, port = os.environ["VOLRAY_ADDRESS"].rsplit(":", 1)
limit, start, said = float(sys.argv[1]), time.monotonic(), 0
while True:
    try:
        socket.create_connection((host, int(port)), 2).close()
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
import os, runpy, shutil, sys, time
sys.path[:1], sys.argv[:1] = [], []
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
first "waiting for nodes" "$py" -c '
import sys
sys.path[:1] = []
import os, time, ray
ray.init(address=os.environ["VOLRAY_ADDRESS"], log_to_driver=False, logging_level="ERROR")
wanted, said = int(sys.argv[1]), time.monotonic() - 30
while (alive := sum(node["Alive"] for node in ray.nodes())) < wanted:
    if time.monotonic() - said >= 30:
        print(f"volray: {alive} of {wanted} Ray nodes are alive", file=sys.stderr, flush=True)
        said = time.monotonic()
    time.sleep(0.5)
' @WAIT_NODES@
"""
"""Asks the GCS: `ray list nodes` needs the dashboard, which an image without ray[default] has not."""

_PROCESSES: Final = r"""
lives() { { read -r l < "$2"; } 2>/dev/null || return 1; case $l in *" ($1) "[!ZX]*) ;; *) return 1 ;; esac; }
look() { for f in /proc/[0-9]*/stat; do ! lives "$1" "$f" || return 0; done; return 1; }
"""
"""/proc/N/stat is `N (name) S …`; Z and X are the dead that nobody reaped, T is somebody stopped, who lives."""

_WATCH: Final = {
    "head": r"""
watch() {
  await raylet; a=$f; await gcs_server; b=$f
  say "Ray is up"
  while lives raylet "$a" && lives gcs_server "$b"; do sleep 2; done
  end "raylet or GCS"
}
""",
    "worker": r"""
watch() {
  await raylet; a=$f
  say "Ray is up"
  while lives raylet "$a"; do sleep 2; done
  end raylet
}
""",
}

_END: Final = r"""
end() {
  sleep @GRACE@
  say "Ray's $1 has ended: ending this container"
  trap '' ALRM
  @KILL@
  exit 3
}
await() { t=; until look "$1"; do t=.$t; [ "${#t}" -lt @PATIENCE@ ] || end "$1"; sleep 1; done; }
"""
"""Some seconds for a command that called `ray stop` as its last act, and for `ray start --block`, to end by themselves
with a status of their own; then the container ends with 1, by the watch's own status 3, which the SIGALRM that follows
the command's end must not change. What was never seen to live is dead, too."""

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
exec "$@" <&3 3<&- & c=$!
exec 3<&-
watch & w=$!
@LEAVE@ended
kill -ALRM "$w" 2>/dev/null; wait "$w" 2>/dev/null
[ "$?" -ne 3 ] || rc=1
@LEFT@exit "$rc"
"""
"""A shell without job control starts its background children deaf to SIGINT and SIGQUIT; GNU env gives them back.

The watch is ended by SIGALRM, for which there is no trap: a new subshell of dash has its parent's traps for a moment
and forgets what came meanwhile, so that a command of a few milliseconds left a watch behind that SIGTERM had not ended.
"""


_LEAVE: Final = r"""
left=
leave() {
  "$py" -I -S -c '
import os, socket, time
host, port = os.environ["VOLRAY_ADDRESS"].rsplit(":", 1)
missed = 0
while missed < 2:
    try:
        socket.create_connection((host, int(port)), 0.5).close()
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
    parts = [
        _WORDS,
        _SIGNALS,
        _IMAGE,
        _PYTHON if role == "worker" or waits_for_nodes else "",
        _WAIT_HEAD.replace("@WAIT_HEAD@", str(wait_head)) if role == "worker" else "",
        _EARLY if role == "worker" else "",
        f"first 'ray start' {start}\n" if beside else f"set -- {start}\n",
        _WAIT_NODES.replace("@WAIT_NODES@", str(wait_nodes)) if waits_for_nodes else "",
        _PROCESSES,
        _end(_AT_ONCE if leaves else _PATIENTLY, PATIENCE_BESIDE if beside else PATIENCE_ALONE),
        _WATCH[role],
        _LEAVE if leaves else "",
        _RUN.replace("@LEAVE@", _ON_TERM if leaves else "").replace("@LEFT@", _LEFT if leaves else ""),
    ]
    return "".join(part.lstrip("\n") for part in parts)


def _end(kill: tuple[str, str], patience: int) -> str:
    grace, how = kill
    return _END.replace("@GRACE@", grace).replace("@KILL@", how).replace("@PATIENCE@", str(patience))


def _join(wait_head: int) -> str:
    tries = max(1, wait_head // _TRY_SECONDS) if wait_head else _TRIES_FOR_EVER
    return _JOIN.replace("@TRIES@", str(tries))


def raylet_script() -> str:
    """Exit 0 while a raylet lives: the readiness of a worker, whose waiting start has none."""
    return (_PROCESSES + "look raylet\n").lstrip("\n")


_ASK: Final = r"""
exec "$py" -I -S -c '
import http.client, os, sys
for target in sys.argv[1:]:
    port, path = target.split("/", 1)
    connection = http.client.HTTPConnection(os.environ["VOLRAY_POD_IP"], int(port), timeout=5)
    try:
        connection.request("GET", "/" + path)
        status = connection.getresponse().status
    except ConnectionRefusedError:
        continue
    except OSError as error:
        sys.exit(f"{target}: {error}")
    if status != 200:
        sys.exit(f"{target}: {status}")
' @TARGETS@
"""


def health_script(targets: list[str]) -> str:
    """Exit 1 when Ray's own health endpoints, `PORT/PATH`, are there and are not well.

    A refused connection is no illness: Ray without `[default]`, and a head with `--include-dashboard=false`, never
    listen, and a raylet that is gone was noticed by PID 1 long before.
    """
    ray = "ray=`command -v ray` || ray=\n"
    return ray + _PYTHON.lstrip("\n") + _ASK.lstrip("\n").replace("@TARGETS@", " ".join(targets))
