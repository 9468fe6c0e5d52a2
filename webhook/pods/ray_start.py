"""What a Ray container runs: `ray start`, and the user's own command beside it."""

from __future__ import annotations

import shlex
from functools import lru_cache
from typing import TYPE_CHECKING

from webhook.pods.additions import Additions, option_words
from webhook.pods.scripts import start_script
from webhook.reasons import Code, finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.names import Role
    from webhook.pods.node import RayPod


def additions(pod: RayPod) -> Additions:
    """Return the mistake of args without a command, for which the image's entrypoint is needed."""
    container = pod.container
    if not pod.keeps_command or container.get("command") or not container.get("args"):
        return Additions()
    return Additions(findings=[finding(Code.ARGS_WITHOUT_COMMAND, container=container["name"])])


def command_and_args(pod: RayPod, options: Mapping[str, str | int]) -> tuple[list[str], list[str]]:
    """Return command and args of a container in which volray starts Ray.

    The user's argv becomes the script's arguments, byte for byte. The kubelet expands `$(VAR)` in
    it as before.

    Args:
        pod: The node.
        options: Of `ray start`, as volray wants them.
    """
    own: list[str] = []
    if pod.keeps_command:
        own = [*(pod.container.get("command") or ()), *(pod.container.get("args") or ())]
    words = tuple(option_words(options, pod.start_args))
    waits = (pod.settings.wait_head, pod.settings.wait_nodes)
    script = _script(pod.role, words, waits, beside=bool(own))
    return ["/bin/sh", "-c", script, "volray"], own


@lru_cache(maxsize=1024)
def _script(role: Role, words: tuple[str, ...], waits: tuple[int, int], *, beside: bool) -> str:
    """Return the script of a node. The pods of a task differ in nothing that it holds."""
    wait_head, wait_nodes = waits
    command = ray_start(role, words, block=not beside)
    return start_script(role, command, beside=beside, wait_head=wait_head, wait_nodes=wait_nodes)


def ray_start(role: Role, words: tuple[str, ...], *, block: bool) -> str:
    """Return the command line of `ray start`, quoted for a shell, with one option a line."""
    # Only the running pod can fill in the addresses.
    place = ["--head"] if role == "head" else ['--address="$VOLRAY_ADDRESS"']
    place.append('--node-ip-address="$VOLRAY_POD_IP"')
    lines = [*place, *(_quoted(word) for word in words)]
    if block:
        lines.append("--block")
    return "ray start " + " \\\n  ".join(lines)


def _quoted(word: str) -> str:
    """Return a word that arrives unchanged through the kubelet and the shell.

    The kubelet expands `$(VAR)` and halves `$$`.
    """
    return shlex.quote(word.replace("$", "$$"))
