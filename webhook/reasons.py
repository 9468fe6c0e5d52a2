"""Every outcome that volray reports, with its level, its sentence and its hint.

Answers to the apiserver, log lines, metrics, Events and the command line all take their words from
this table. So a code in a dashboard leads to the message that the user got, and to the hint in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Level(StrEnum):
    """How grave an outcome is."""

    DONE = "done"
    LEFT_ALONE = "left alone"
    WARNING = "warning"
    REFUSED = "refused"


class Code(StrEnum):
    """The stable name of an outcome, as metric labels, logs and audit annotations carry it."""

    INJECTED = "injected"
    INJECTED_OWN = "injected-own"

    NOT_A_POD = "not-a-pod"
    NOT_CREATE = "not-create"
    NOT_VOLCANO = "not-volcano"
    OTHER_TASK = "other-task"
    OTHER_FRAMEWORK = "other-framework"
    OTHER_PLUGIN = "other-plugin"
    ALREADY_INJECTED = "already-injected"
    NO_RAY_CONTAINER = "no-ray-container"
    NOT_A_RAY_JOB = "not-a-ray-job"
    NOT_ADOPTED = "not-adopted"

    ADOPTED = "adopted"
    SETTLED = "settled"
    RESTORED = "restored"
    JOB_READY = "job-ready"
    JOB_JUDGED = "job-judged"
    JOB_KEPT = "job-kept"
    IN_TREE = "in-tree"
    NOT_A_JOB = "not-a-job"
    TEMPLATE = "template"
    OTHER_OPERATION = "other-operation"
    BEING_DELETED = "being-deleted"
    UNCHANGED = "unchanged"

    MALFORMED = "malformed"
    UNREADABLE = "unreadable-annotation"
    UNKNOWN_FLAG = "unknown-flag"
    MISSING_VALUE = "missing-value"
    BAD_VALUE = "bad-value"
    REPEATED_FLAG = "repeated-flag"
    SAME_PORT = "same-port"
    PORT_TAKEN = "port-taken"
    PORT_AMONG_WORKERS = "port-among-workers"
    UNKNOWN_ROLE = "unknown-role"
    UNKNOWN_COMMAND_MODE = "unknown-command-mode"
    SEVERAL_CONTAINERS = "several-containers"
    ARGS_WITHOUT_COMMAND = "args-without-command"
    UNKNOWN_START_OPTION = "unknown-start-option"
    HEAD_START_OPTION = "head-start-option"
    OWNED_START_OPTION = "owned-start-option"
    BAD_QUANTITY = "bad-quantity"
    IPV6 = "ipv6"

    NO_JOB_NAME = "no-job-name"
    NO_HEAD = "no-head"
    TWO_HEADS = "two-heads"
    HEAD_REPLICAS = "head-replicas"
    NO_HEAD_POD = "no-head-pod"
    NO_SUCH_WORKER = "no-such-worker"
    TOO_FEW_NODES = "too-few-nodes"
    SERVICE_NAME = "service-name"
    HEAD_WAITS_FOR_WORKER = "head-waits-for-worker"
    FLAGS_DISAGREE = "flags-disagree"
    LABELLED_NOT_ADOPTED = "labelled-not-adopted"
    HEAD_NOT_LABELLED = "head-not-labelled"
    SETTINGS_CHANGED = "settings-changed"
    RAY_LEFT_OUT = "ray-left-out"

    SERVICE_FOREIGN = "service-foreign"
    SERVICE_QUOTA = "service-quota"
    SERVICE_REFUSED = "service-refused"

    ONLY_CONTAINER = "only-container"
    LABELLED_OTHER_TASK = "labelled-other-task"
    OWN_START = "own-start"
    OWN_PORT_UNREADABLE = "own-port-unreadable"
    OWN_PORT_DIFFERS = "own-port-differs"
    OWN_START_JOINS_ELSEWHERE = "own-start-joins-elsewhere"
    START_ARGS_UNUSED = "start-args-unused"
    NO_CPU = "no-cpu"
    HOST_NETWORK_DNS = "host-network-dns"
    ENV_NAME_LOST = "env-name-lost"
    OTHER_START_OPTION = "other-start-option"
    LITTLE_MEMORY = "little-memory"
    SMALL_SHM = "small-shm"
    MOUNT_WITHOUT_VOLUME = "mount-without-volume"
    RAY_ADDRESS_HTTP = "ray-address-http"
    PRINTS_IN_POD_LOGS = "prints-in-pod-logs"
    NEVER_ENDS = "never-ends"
    RUNS_AGAIN = "runs-again"
    FAILS_FOR_EVER = "fails-for-ever"
    FAILURE_UNSEEN = "failure-unseen"
    ONLY_OWN_PODS = "only-own-pods"
    SVC_ADDED = "svc-added"
    UNLABELLED_NODE = "unlabelled-node"
    NO_WORKER_PODS = "no-worker-pods"
    GANG_WAITS = "gang-waits"
    SCALED_BELOW_WAIT = "scaled-below-wait"
    WRONG_TEMPLATE = "wrong-template"

    CONTENT_TYPE = "content-type"
    TOO_LARGE = "too-large"
    NOT_JSON = "not-json"
    NOT_A_REVIEW = "not-a-review"
    INTERNAL = "internal"


@dataclass(frozen=True)
class Reason:
    """What is so (`sentence`) and what to do about it (`hint`), both as `str.format` templates."""

    level: Level
    sentence: str
    hint: str = ""


REASONS: Final[Mapping[Code, Reason]] = MappingProxyType(
    {
        Code.INJECTED: Reason(
            Level.DONE,
            "volray added Ray's start command, ports, probes and addresses.",
        ),
        Code.INJECTED_OWN: Reason(
            Level.DONE,
            "The command starts Ray itself, so volray kept it and added addresses, ports and the "
            "label.",
        ),
        Code.NOT_A_POD: Reason(
            Level.LEFT_ALONE,
            "The object is a {kind}, not a Pod.",
            "Send only pods to this webhook.",
        ),
        Code.NOT_CREATE: Reason(
            Level.LEFT_ALONE,
            "volray changes a pod only when it is created.",
        ),
        Code.NOT_VOLCANO: Reason(
            Level.LEFT_ALONE,
            "The pod does not belong to a Volcano Job.",
        ),
        Code.OTHER_TASK: Reason(
            Level.LEFT_ALONE,
            "Task {task} is neither the head ({head}) nor a worker ({workers}).",
            "Add --worker={task} if Ray should run in it.",
        ),
        Code.OTHER_FRAMEWORK: Reason(
            Level.LEFT_ALONE,
            "Container {container} has the variable {env}, so another framework of Volcano runs "
            "in this pod.",
        ),
        Code.OTHER_PLUGIN: Reason(
            Level.LEFT_ALONE,
            "The Job uses Volcano's {plugin} plugin, so another framework runs in its pods.",
            "If Ray should run there, write plugins.ray, or the label ray.volcano.sh/cluster in "
            "the templates.",
        ),
        Code.ALREADY_INJECTED: Reason(
            Level.LEFT_ALONE,
            "volray {version} has already injected Ray here.",
        ),
        Code.NO_RAY_CONTAINER: Reason(
            Level.LEFT_ALONE,
            "Task {task} has no container named {wanted}.",
        ),
        Code.NOT_A_RAY_JOB: Reason(
            Level.LEFT_ALONE,
            "The Job has no plugins.ray, no opt-in label and no head task.",
        ),
        Code.NOT_ADOPTED: Reason(
            Level.LEFT_ALONE,
            "The Job has the annotation ray.volcano.sh/adopt: false, so Volcano's own ray plugin "
            "runs it.",
        ),
        Code.ADOPTED: Reason(
            Level.DONE,
            "volray adopted the Job: it removed plugins.ray and wrote the label and the flags "
            "into the templates.",
        ),
        Code.SETTLED: Reason(
            Level.DONE,
            "volray wrote into the templates what they left open.",
        ),
        Code.RESTORED: Reason(
            Level.DONE,
            "volray put back what the update left out.",
        ),
        Code.JOB_READY: Reason(
            Level.DONE,
            "The templates already have everything that volray needs.",
        ),
        Code.JOB_JUDGED: Reason(
            Level.DONE,
            "volray found no mistake in the Job.",
        ),
        Code.JOB_KEPT: Reason(
            Level.DONE,
            "The update leaves out nothing that volray or Volcano had added.",
        ),
        Code.IN_TREE: Reason(
            Level.LEFT_ALONE,
            "The Job was created with plugins.ray before volray was installed, so Volcano's own "
            "ray plugin runs it.",
        ),
        Code.NOT_A_JOB: Reason(
            Level.LEFT_ALONE,
            "The object is a {kind} of {group}, not a Job of Volcano.",
            "Send only Jobs of Volcano to this webhook.",
        ),
        Code.TEMPLATE: Reason(
            Level.LEFT_ALONE,
            "volray inject does not change a {kind}: each Job made from it has a name and a head "
            "Service of its own.",
            "Install volray in the cluster to run Ray in such Jobs.",
        ),
        Code.OTHER_OPERATION: Reason(
            Level.LEFT_ALONE,
            "volray looks at CREATE and UPDATE only.",
        ),
        Code.BEING_DELETED: Reason(
            Level.LEFT_ALONE,
            "The Job is being deleted.",
        ),
        Code.UNCHANGED: Reason(
            Level.LEFT_ALONE,
            "The update does not change the spec.",
        ),
        Code.MALFORMED: Reason(
            Level.REFUSED,
            "{field} is {found}, not {wanted}.",
            "Correct the field as the Kubernetes API defines it.",
        ),
        Code.UNREADABLE: Reason(
            Level.REFUSED,
            "The text cannot be split into words ({why}): {found!r}.",
            "Close the quotation, as in a shell.",
        ),
        Code.UNKNOWN_FLAG: Reason(
            Level.REFUSED,
            "{found} is not a flag of volray.",
            "Write {wanted}.",
        ),
        Code.MISSING_VALUE: Reason(
            Level.REFUSED,
            "{flag} has no value.",
            "Write for example {flag}={example}.",
        ),
        Code.BAD_VALUE: Reason(
            Level.REFUSED,
            "{flag}={found} is not valid: the value must be {wanted}.",
            "Write for example {flag}={example}.",
        ),
        Code.REPEATED_FLAG: Reason(
            Level.REFUSED,
            "{flag} is given twice, as {first} and as {second}.",
            "Keep one of them.",
        ),
        Code.SAME_PORT: Reason(
            Level.REFUSED,
            "{first} and {second} have the same port {port}.",
            "Choose another port for one of them.",
        ),
        Code.PORT_TAKEN: Reason(
            Level.REFUSED,
            "Ray needs port {port} ({flag}), but container {container} already uses it.",
            "Write {flag}=N with another port in ray.volcano.sh/args, or change the port of that "
            "container.",
        ),
        Code.PORT_AMONG_WORKERS: Reason(
            Level.REFUSED,
            "Port {port} ({flag}) is one of the worker ports {low}-{high}, and Ray does not start "
            "with such a port.",
            "Choose --min-worker-port and --max-worker-port so that {port} is outside.",
        ),
        Code.UNKNOWN_ROLE: Reason(
            Level.REFUSED,
            "The role {found!r} does not exist.",
            "Write ray.volcano.sh/role: head or worker, or remove the annotation.",
        ),
        Code.UNKNOWN_COMMAND_MODE: Reason(
            Level.REFUSED,
            "The mode {found!r} does not exist.",
            "Write ray.volcano.sh/command: keep (volray starts Ray beside the command), own (the "
            "command starts Ray) or replace (volray drops the command), or remove the annotation.",
        ),
        Code.SEVERAL_CONTAINERS: Reason(
            Level.REFUSED,
            "No container is named {wanted}, and there are several: {found}.",
            "Rename Ray's container to {wanted}, or write {flag}=NAME in ray.volcano.sh/args.",
        ),
        Code.ARGS_WITHOUT_COMMAND: Reason(
            Level.REFUSED,
            "Container {container} has args but no command, and volray cannot see which program "
            "of the image gets them.",
            "Write the program as command. Or write ray.volcano.sh/command: replace to drop the "
            "args, or ray.volcano.sh/command: own if the image's entrypoint starts Ray.",
        ),
        Code.UNKNOWN_START_OPTION: Reason(
            Level.REFUSED,
            "{found} is not an option of `ray start`.",
            "Write {wanted}.",
        ),
        Code.HEAD_START_OPTION: Reason(
            Level.REFUSED,
            "{found} is an option for the head, and `ray start` refuses it on a worker.",
            "Remove it here, or move it to the head's template.",
        ),
        Code.OWNED_START_OPTION: Reason(
            Level.REFUSED,
            "volray sets {found} itself.",
            "Remove it{instead}.",
        ),
        Code.BAD_QUANTITY: Reason(
            Level.REFUSED,
            "{field} is {found!r}, which is not a quantity.",
            "Write a number with a suffix, for example 500m or 2Gi.",
        ),
        Code.IPV6: Reason(
            Level.REFUSED,
            "This cluster gives pods IPv6 addresses first, and volray has not been tested with "
            "those.",
            "Use an IPv4 cluster, or a dual-stack cluster with IPv4 first.",
        ),
        Code.NO_JOB_NAME: Reason(
            Level.REFUSED,
            "The Job has no metadata.name.",
            "Write a name. The Job's pods and its head Service are named after it.",
        ),
        Code.NO_HEAD: Reason(
            Level.REFUSED,
            "No task is the head: none of {tasks} is named {head}.",
            "Name a task {head}, write --head=NAME, or annotate a template with "
            "ray.volcano.sh/role: head.",
        ),
        Code.TWO_HEADS: Reason(
            Level.REFUSED,
            "Several tasks are heads: {tasks}.",
            "Keep one head and make the others workers.",
        ),
        Code.HEAD_REPLICAS: Reason(
            Level.REFUSED,
            "The head task {task} has {found} replicas, but a Ray cluster has one head.",
            "Write replicas: 1.",
        ),
        Code.NO_HEAD_POD: Reason(
            Level.REFUSED,
            "The head task {task} has no replicas, so Volcano makes no head. Volcano takes a "
            "missing replicas for 0.",
            "Write replicas: 1.",
        ),
        Code.NO_SUCH_WORKER: Reason(
            Level.REFUSED,
            "--worker={worker} names no task. The tasks are {tasks}.",
            "Correct the name or remove the flag.",
        ),
        Code.TOO_FEW_NODES: Reason(
            Level.REFUSED,
            "The head waits for {wanted} Ray nodes (--waitNodes), but the Job has only {found}, "
            "so it would wait for ever.",
            "Write --waitNodes={found} or less, or raise the replicas of a worker task.",
        ),
        Code.SERVICE_NAME: Reason(
            Level.REFUSED,
            "The head's Service would be named {service}, which is not a valid name for a Service "
            "({why}).",
            "Rename the Job: use at most 54 characters of a-z, 0-9 and -, and start with a letter.",
        ),
        Code.HEAD_WAITS_FOR_WORKER: Reason(
            Level.REFUSED,
            "The head task {head} depends on worker task {worker}, but a worker becomes ready "
            "only after the head runs.",
            "Remove dependsOn. Workers wait for the head by themselves, and --waitNodes=N makes "
            "the head wait for N nodes.",
        ),
        Code.FLAGS_DISAGREE: Reason(
            Level.REFUSED,
            "Task {first} and task {second} disagree on {flag}: {ours} and {theirs}.",
            "Write the same ray.volcano.sh/args on every template of the Job.",
        ),
        Code.LABELLED_NOT_ADOPTED: Reason(
            Level.REFUSED,
            "The Job has the annotation ray.volcano.sh/adopt: false, but task {task} has the "
            "label ray.volcano.sh/cluster.",
            "Remove the annotation or the label.",
        ),
        Code.HEAD_NOT_LABELLED: Reason(
            Level.REFUSED,
            "Task {task} has the label ray.volcano.sh/cluster, but the head task {head} does "
            "not, so no Ray would run in it.",
            "Write the label on the head's template too.",
        ),
        Code.SETTINGS_CHANGED: Reason(
            Level.REFUSED,
            "{what} changes from {then} to {now}, but the settings of a Ray Job cannot be changed.",
            "Undo the change, or delete the Job and apply it again.",
        ),
        Code.RAY_LEFT_OUT: Reason(
            Level.REFUSED,
            "Task {task} runs Ray, but the update has neither plugins.ray nor the label "
            "ray.volcano.sh/cluster on its template.",
            "Undo the change, or delete the Job and apply it again.",
        ),
        Code.SERVICE_FOREIGN: Reason(
            Level.WARNING,
            "Service {service} does not belong to this Job ({owner}). volray leaves it alone, "
            "and workers may not find the head.",
            "Delete that Service, or rename the Job.",
        ),
        Code.SERVICE_QUOTA: Reason(
            Level.WARNING,
            "The namespace's quota has no room for Service {service}: {why}.",
            "Raise the quota by one Service. volray tries again by itself.",
        ),
        Code.SERVICE_REFUSED: Reason(
            Level.WARNING,
            "The API server refused Service {service}: {why}.",
            "Look for a policy or a missing right of volray's that refuses it. volray tries again "
            "by itself.",
        ),
        Code.ONLY_CONTAINER: Reason(
            Level.WARNING,
            "No container is named {wanted}, so Ray runs in {container}, the only one.",
            "Rename the container, or write {flag}={container} in ray.volcano.sh/args.",
        ),
        Code.LABELLED_OTHER_TASK: Reason(
            Level.WARNING,
            "Task {task} has the label ray.volcano.sh/cluster but is neither head nor worker, so "
            "volray leaves it alone.",
            "Add --worker={task} to ray.volcano.sh/args.",
        ),
        Code.OWN_START: Reason(
            Level.WARNING,
            "The command contains `{words}`, so volray does not start Ray beside it.",
            "Write ray.volcano.sh/command: keep if volray should start Ray, or "
            "ray.volcano.sh/command: own to silence this warning.",
        ),
        Code.OWN_PORT_UNREADABLE: Reason(
            Level.WARNING,
            "The command starts Ray with {found}, a port that is known only when it runs. "
            "{lost}, and the head's Service has {port}.",
            "Write the number in the command, or add {flag}=N to ray.volcano.sh/args of every "
            "template.",
        ),
        Code.OWN_PORT_DIFFERS: Reason(
            Level.WARNING,
            "The command starts Ray with {words}, so its port is {port}, but the Job has "
            "{flag}={said}.",
            "Write {flag}={port} in plugins.ray or in ray.volcano.sh/args of every template, or "
            "{option}={said} in the command.",
        ),
        Code.OWN_START_JOINS_ELSEWHERE: Reason(
            Level.WARNING,
            "The command of task {worker} joins Ray at port {found}, but Ray on the head task "
            "{head} listens on port {port}.",
            "Write the same port in both.",
        ),
        Code.START_ARGS_UNUSED: Reason(
            Level.WARNING,
            "The options {found} have no effect, because the container starts Ray itself.",
            "Write the options in the command and remove the annotation.",
        ),
        Code.NO_CPU: Reason(
            Level.WARNING,
            "Container {container} requests no CPU, so Ray counts every CPU of the node.",
            "Set resources.limits.cpu, or write --num-cpus=N in ray.volcano.sh/start-args.",
        ),
        Code.HOST_NETWORK_DNS: Reason(
            Level.WARNING,
            "A pod with hostNetwork and dnsPolicy {found} cannot resolve the head's Service.",
            "Write dnsPolicy: ClusterFirstWithHostNet.",
        ),
        Code.ENV_NAME_LOST: Reason(
            Level.WARNING,
            "Variable {env} may be missing in Ray's processes, because some shells drop such a "
            "name.",
            "Use letters, digits and underscores, and do not begin with a digit.",
        ),
        Code.OTHER_START_OPTION: Reason(
            Level.WARNING,
            "`ray start` of Ray 2.60 has no option {found}{near}. volray passes it on, because "
            "another Ray may have it.",
            "Correct or remove it if your Ray does not have it.",
        ),
        Code.LITTLE_MEMORY: Reason(
            Level.WARNING,
            "{field} is {found}, and Ray does not start with less than 256Mi.",
            "Write for example memory: {example}.",
        ),
        Code.SMALL_SHM: Reason(
            Level.WARNING,
            "Volume {volume} limits /dev/shm to {found}, but the object store takes {taken}: "
            "{outcome}.",
            "Write sizeLimit: {wanted} or more, or remove the mount so that volray adds a "
            "/dev/shm of the right size.",
        ),
        Code.MOUNT_WITHOUT_VOLUME: Reason(
            Level.WARNING,
            "Container {container} mounts volume {volume}, but the pod has no such volume, so "
            "Kubernetes will refuse it.",
            "Write the volume under volumes of the pod's spec, beside containers.",
        ),
        Code.RAY_ADDRESS_HTTP: Reason(
            Level.WARNING,
            "RAY_ADDRESS of container {container} is {found}, but ray.init() does not accept an "
            "HTTP address.",
            "Remove RAY_ADDRESS. volray sets it, and sets RAY_API_SERVER_ADDRESS for `ray job "
            "submit`.",
        ),
        Code.PRINTS_IN_POD_LOGS: Reason(
            Level.WARNING,
            "With --logToStderr, what tasks print does not appear in the output of `ray job "
            "submit`.",
            "Read it with kubectl logs of each pod, or remove --logToStderr.",
        ),
        Code.NEVER_ENDS: Reason(
            Level.WARNING,
            "The head runs a command, but no policy ends the Job when the command succeeds, so "
            "the workers run for ever.",
            "Write in task {head}: {yaml}.",
        ),
        Code.RUNS_AGAIN: Reason(
            Level.WARNING,
            "The head runs a command with restartPolicy Always, so it runs again and again, even "
            "after success.",
            "Write in the template of task {head}: restartPolicy: OnFailure{more}.",
        ),
        Code.FAILS_FOR_EVER: Reason(
            Level.WARNING,
            "The head runs a command with restartPolicy OnFailure, so a command that always "
            "fails is restarted for ever.",
            "To end the Job instead, write restartPolicy: Never, and in task {head}: {yaml}.",
        ),
        Code.FAILURE_UNSEEN: Reason(
            Level.WARNING,
            "The head runs a command with restartPolicy Never, but no policy acts when it fails, "
            "so the Job does not end.",
            "Write in task {head}: {yaml}.",
        ),
        Code.ONLY_OWN_PODS: Reason(
            Level.WARNING,
            "The svc plugin makes a NetworkPolicy that lets only pods of this Job reach Ray's "
            "dashboard and the Ray client port.",
            "Remove svc, which Ray does not need, or write: {yaml}.",
        ),
        Code.SVC_ADDED: Reason(
            Level.WARNING,
            "The templates use {found} of Volcano's svc plugin, so volray added svc without its "
            "NetworkPolicy.",
            "Write under plugins to silence this warning: {yaml}.",
        ),
        Code.UNLABELLED_NODE: Reason(
            Level.WARNING,
            "Task {task} is a Ray {role} by its name, but its template has no opt-in label, so "
            "no Ray will run in its pods.",
            "Write in its template: {yaml}.",
        ),
        Code.NO_WORKER_PODS: Reason(
            Level.WARNING,
            "The task has no replicas field, which Volcano takes for 0, so it makes no pod of "
            "this task.",
            "Write replicas: 1 or more, or replicas: 0 if that is what you want.",
        ),
        Code.GANG_WAITS: Reason(
            Level.WARNING,
            "The Job needs {needed} before any of its pods is scheduled, but until dependsOn is "
            "met only {count} pods exist ({first}), so it stays Pending for ever.",
            "Remove dependsOn from {waiting}, because workers wait for the head by themselves. "
            "Or write spec.minAvailable: {enough}.",
        ),
        Code.SCALED_BELOW_WAIT: Reason(
            Level.WARNING,
            "The head waits for {wanted} Ray nodes (--waitNodes), and after this update the Job "
            "has {found}. A head that is running goes on, but after a restart it would wait for "
            "ever.",
            "Keep the sum of replicas at {wanted} or more.",
        ),
        Code.WRONG_TEMPLATE: Reason(
            Level.WARNING,
            "The Jobs made from this will be refused.",
        ),
        Code.CONTENT_TYPE: Reason(
            Level.REFUSED,
            "The content type is {found!r}.",
            "Send application/json.",
        ),
        Code.TOO_LARGE: Reason(
            Level.REFUSED,
            "The body is larger than {limit} bytes.",
            "Send an AdmissionReview, which is smaller.",
        ),
        Code.NOT_JSON: Reason(
            Level.REFUSED,
            "The body is not JSON: {why}.",
        ),
        Code.NOT_A_REVIEW: Reason(
            Level.REFUSED,
            "{field} is {found}, not {wanted}.",
            "Send an AdmissionReview of admission.k8s.io/v1 with a request.",
        ),
        Code.INTERNAL: Reason(
            Level.REFUSED,
            "volray failed on this object because of a bug in volray.",
            "Its log has the traceback under the uid of the request.",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found in an object."""

    code: Code
    fields: tuple[tuple[str, str], ...] = ()
    """The values that the sentence names."""
    place: str = ""
    """Where the user wrote it, such as `spec.plugins.ray[0]`, if the sentence needs it."""

    @property
    def level(self) -> Level:
        """How grave it is."""
        return REASONS[self.code].level

    @property
    def lines(self) -> tuple[str, ...]:
        """The sentence after its place, and the hint if there is one."""
        reason = REASONS[self.code]
        fields = dict(self.fields)
        sentence = reason.sentence.format_map(fields)
        if self.place:
            sentence = f"{self.place}: {sentence}"
        if not reason.hint:
            return (sentence,)
        return (sentence, reason.hint.format_map(fields))

    @property
    def text(self) -> str:
        """Both in one line."""
        return " ".join(self.lines)

    def at(self, place: str) -> Finding:
        """Return the same finding at another place."""
        return replace(self, place=place)


def finding(code: Code, *, place: str = "", **fields: object) -> Finding:
    """Return a Finding from keyword arguments, each of which becomes text."""
    return Finding(code, tuple((name, str(value)) for name, value in fields.items()), place)
