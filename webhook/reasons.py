"""Every outcome that volray reports: code → sentence → hint.

Responses, warnings, log lines, metrics, Events and the command line all take their words from here, so that a
code seen in a dashboard is found again, with its remedy, in the message that the user got.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Code(StrEnum):
    """The stable name of an outcome: metric labels, logs and audit annotations carry it."""

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
    SETTINGS_CHANGED = "settings-changed"
    RAY_LEFT_OUT = "ray-left-out"

    HEAD_NOT_LABELLED = "head-not-labelled"
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
    """What is so (`sentence`) and what to do about it (`hint`); both are `str.format` templates."""

    sentence: str
    hint: str = ""


REASONS: Final[Mapping[Code, Reason]] = MappingProxyType(
    {
        Code.INJECTED: Reason("Ray's start command, ports, probes and addresses were put in."),
        Code.INJECTED_OWN: Reason("The command starts Ray itself: it stays, with addresses, ports and label."),
        Code.NOT_A_POD: Reason("The object is a {kind}, not a Pod.", "Point the rule at pods."),
        Code.NOT_CREATE: Reason("Only the creation of a pod is looked at, this is {operation}."),
        Code.NOT_VOLCANO: Reason("The pod does not belong to a Volcano Job."),
        Code.OTHER_TASK: Reason(
            "Task {task} is neither the head ({head}) nor a worker ({workers}).",
            "Add --worker={task} if Ray should run there.",
        ),
        Code.OTHER_FRAMEWORK: Reason("Container {container} has {env}: another framework of Volcano runs here."),
        Code.OTHER_PLUGIN: Reason(
            "The Job uses Volcano's {plugin} plugin: another framework runs in its pods.",
            "If Ray should run there, write plugins.ray, or the label ray.volcano.sh/cluster in the templates.",
        ),
        Code.ALREADY_INJECTED: Reason("It was injected before, by volray {version}."),
        Code.NO_RAY_CONTAINER: Reason("Task {task} has no container named {wanted}."),
        Code.NOT_A_RAY_JOB: Reason("The Job has neither plugins.ray, nor an opt-in label, nor a head task."),
        Code.NOT_ADOPTED: Reason("The Job says ray.volcano.sh/adopt: false: it is the in-tree plugin's."),
        Code.ADOPTED: Reason("The Job is volray's now: plugins.ray went, label and flags stand in its templates."),
        Code.SETTLED: Reason("What the templates left open was written into them."),
        Code.RESTORED: Reason("What the update left out was put back from the Job as it was."),
        Code.JOB_READY: Reason("The templates say all that volray needs."),
        Code.JOB_JUDGED: Reason("The Job makes a Ray cluster."),
        Code.JOB_KEPT: Reason("The update leaves out nothing that stood in the Job."),
        Code.IN_TREE: Reason("The Job was made with plugins.ray: it stays the in-tree plugin's."),
        Code.NOT_A_JOB: Reason("The object is a {kind} of {group}, not a Job of Volcano.", "Point the rule at those."),
        Code.OTHER_OPERATION: Reason("Nothing is to be done about {operation} of {resource}."),
        Code.BEING_DELETED: Reason("The Job is being deleted."),
        Code.UNCHANGED: Reason("The spec does not change."),
        Code.MALFORMED: Reason("{field} is {found}, not {wanted}.", "Write what the Kubernetes API asks for."),
        Code.UNREADABLE: Reason(
            "{field} cannot be split into words: {found!r} ({why}).",
            "Close the quotation, as a shell would want it.",
        ),
        Code.UNKNOWN_FLAG: Reason("{field}: there is no flag {found}.", "Write {wanted}."),
        Code.MISSING_VALUE: Reason("{field}: {flag} has no value.", "Write {flag}={example}."),
        Code.BAD_VALUE: Reason("{field}: {flag}={found} is not {wanted}.", "Write for example {flag}={example}."),
        Code.REPEATED_FLAG: Reason("{field}: {flag} is given twice, as {first} and as {second}.", "Keep one of them."),
        Code.SAME_PORT: Reason(
            "{field}: port {port} is asked for by {first} and by {second}.",
            "Give one of them another number.",
        ),
        Code.PORT_TAKEN: Reason(
            "Port {port} of Ray ({flag}) is already the port of container {container}.",
            "Move Ray with {flag}=N in the annotation ray.volcano.sh/args, or move that container.",
        ),
        Code.PORT_AMONG_WORKERS: Reason(
            "ray.volcano.sh/start-args: port {port} ({flag}) lies among the worker ports {low}-{high}.",
            "Choose --min-worker-port and --max-worker-port around it: Ray refuses to start otherwise.",
        ),
        Code.UNKNOWN_ROLE: Reason(
            "The annotation ray.volcano.sh/role is {found!r}.", "Write head or worker, or leave it out."
        ),
        Code.UNKNOWN_COMMAND_MODE: Reason(
            "The annotation ray.volcano.sh/command is {found!r}.",
            "Write keep (volray starts Ray beside it), own (it starts Ray itself) or replace (drop it), "
            "or leave the annotation out.",
        ),
        Code.SEVERAL_CONTAINERS: Reason(
            "No container is named {wanted}, and there are several: {found}.",
            "Name Ray's container {wanted}, or say {flag}=NAME in the annotation ray.volcano.sh/args.",
        ),
        Code.ARGS_WITHOUT_COMMAND: Reason(
            "Container {container} has args but no command, so what they are given to is not known.",
            "Write the program as `command`, or ray.volcano.sh/command: replace to drop the args, or "
            "ray.volcano.sh/command: own if the image's entrypoint starts Ray.",
        ),
        Code.UNKNOWN_START_OPTION: Reason(
            "ray.volcano.sh/start-args: `ray start` has no option {found}.", "Write {wanted}."
        ),
        Code.HEAD_START_OPTION: Reason(
            "ray.volcano.sh/start-args: {found} is an option for the head: `ray start` refuses it on a worker.",
            "Leave it out of this template, or move it to the head's.",
        ),
        Code.OWNED_START_OPTION: Reason(
            "ray.volcano.sh/start-args: {found} is set by volray.", "Leave it out{instead}."
        ),
        Code.BAD_QUANTITY: Reason(
            "{field} is {found!r}, which is no quantity.", "Write a number with a suffix such as 500m or 2Gi."
        ),
        Code.IPV6: Reason(
            "This cluster gives pods IPv6 addresses first, where Ray's start was never tested.",
            "Use an IPv4 or an IPv4-first dual-stack cluster.",
        ),
        Code.NO_JOB_NAME: Reason("The Job has no metadata.name.", "Give it one: its pods and Service carry it."),
        Code.NO_HEAD: Reason(
            "No task is the head: none of {tasks} is named {head}.",
            "Name the head's task {head}, say --head=NAME, or annotate its template ray.volcano.sh/role: head.",
        ),
        Code.TWO_HEADS: Reason("Several tasks are heads: {tasks}.", "A Ray cluster has one; make the others workers."),
        Code.HEAD_REPLICAS: Reason("The head task {task} has replicas: {found}.", "Write replicas: 1."),
        Code.NO_HEAD_POD: Reason(
            "The head task {task} has replicas: 0 or leaves it out, which is 0 as well: no head is made.",
            "Write replicas: 1.",
        ),
        Code.NO_SUCH_WORKER: Reason(
            "--worker={worker} names no task; the tasks are {tasks}.", "Correct or drop the flag."
        ),
        Code.TOO_FEW_NODES: Reason(
            "Task {task} waits for --waitNodes={wanted} Ray nodes, but the replicas of head and workers add up to "
            "{found}: a head that starts waits for ever.",
            "Write --waitNodes={found} or less, or raise the replicas of a worker task.",
        ),
        Code.SERVICE_NAME: Reason(
            "The head's Service would be named {service}, which no Service can be ({why}).",
            "Rename the Job: at most 54 of a-z, 0-9 and -, starting with a letter.",
        ),
        Code.HEAD_WAITS_FOR_WORKER: Reason(
            "The head task {head} depends on worker task {worker}, which is not ready before the head runs.",
            "Drop dependsOn: workers wait for the head by themselves, and --waitNodes=N makes the head wait for them.",
        ),
        Code.FLAGS_DISAGREE: Reason(
            "Task {first} and task {second} disagree on {flag}: {ours} and {theirs}.",
            "Write the same ray.volcano.sh/args on every template of the Job.",
        ),
        Code.LABELLED_NOT_ADOPTED: Reason(
            "The Job says ray.volcano.sh/adopt: false, but task {task} carries the label ray.volcano.sh/cluster.",
            "Drop the one or the other.",
        ),
        Code.SETTINGS_CHANGED: Reason(
            "Task {task}: {what} was {then} and would be {now}, but the settings of a Ray Job are fixed.",
            "Delete the Job and apply it again, or take the change back.",
        ),
        Code.RAY_LEFT_OUT: Reason(
            "Task {task} runs Ray, but the update has neither plugins.ray nor its label ray.volcano.sh/cluster.",
            "Delete the Job and apply it again, or take the change back.",
        ),
        Code.HEAD_NOT_LABELLED: Reason(
            "Task {task} carries the label ray.volcano.sh/cluster, but the head task {head} does not: it runs no Ray.",
            "Write the label on the head's template too.",
        ),
        Code.SERVICE_FOREIGN: Reason(
            "Service {service} is not this Job's but {owner}: it stays as it is, and workers may not find the head.",
            "Delete that Service, or give the Job another name.",
        ),
        Code.SERVICE_QUOTA: Reason(
            "Service {service} has no room in the namespace's quota: {why}.",
            "Raise the quota by one Service; volray tries again by itself.",
        ),
        Code.SERVICE_REFUSED: Reason(
            "Service {service} was refused: {why}.",
            "See what refuses it, a policy or volray's own rights; volray tries again by itself.",
        ),
        Code.ONLY_CONTAINER: Reason(
            "Ray starts in {container}, the only container; none is named {wanted}.",
            "Rename it or say {flag}={container} in ray.volcano.sh/args.",
        ),
        Code.LABELLED_OTHER_TASK: Reason(
            "Task {task} carries ray.volcano.sh/cluster, but it is neither head nor worker: it is left alone.",
            "Add --worker={task} to ray.volcano.sh/args.",
        ),
        Code.OWN_START: Reason(
            "The command contains `{words}`, so volray starts no Ray beside it.",
            "Write ray.volcano.sh/command: keep if volray should start Ray, or ray.volcano.sh/command: own to silence "
            "this.",
        ),
        Code.OWN_PORT_UNREADABLE: Reason(
            "The command starts Ray with {found}, a port that is known only when it runs: {lost}, "
            "and the head's Service has {port}.",
            "Write the number in the command, or also as {flag}=N in ray.volcano.sh/args of every template.",
        ),
        Code.OWN_PORT_DIFFERS: Reason(
            "The command starts Ray with {words}, so its port is {port}, but the Job has {flag}={said}.",
            "Write {flag}={port} in plugins.ray or in ray.volcano.sh/args of every template, or {option}={said} in "
            "the command.",
        ),
        Code.OWN_START_JOINS_ELSEWHERE: Reason(
            "The command of task {worker} joins Ray at port {found}, but Ray on the head task {head} has port {port}.",
            "Write the same port in both.",
        ),
        Code.START_ARGS_UNUSED: Reason(
            "ray.volcano.sh/start-args ({found}) has no effect, as the container starts Ray itself.",
            "Write the options in its own command, and drop the annotation.",
        ),
        Code.NO_CPU: Reason(
            "Container {container} asks for no CPU: Ray will count all of the node's.",
            "Set resources.limits.cpu, or --num-cpus=N in ray.volcano.sh/start-args.",
        ),
        Code.HOST_NETWORK_DNS: Reason(
            "hostNetwork with dnsPolicy {found} does not resolve the head's Service.",
            "Write dnsPolicy: ClusterFirstWithHostNet.",
        ),
        Code.ENV_NAME_LOST: Reason(
            "Variable {env} may be missing in the processes: not every /bin/sh hands on such a name.",
            "Name it with letters, digits and underscores, no digit first.",
        ),
        Code.OTHER_START_OPTION: Reason(
            "ray.volcano.sh/start-args: `ray start` of Ray 2.60 has no option {found}{near}.",
            "It is passed on: an older or newer Ray may have it. Correct or drop it if yours has not.",
        ),
        Code.LITTLE_MEMORY: Reason(
            "{field} is {found}: with less than 256Mi, Ray does not start.", "Write for example memory: {example}."
        ),
        Code.SMALL_SHM: Reason(
            "Volume {volume} limits /dev/shm to {found}, but the object store takes {taken}: {outcome}.",
            "Write sizeLimit: {wanted} or more, or leave the mount out: volray makes a large enough /dev/shm.",
        ),
        Code.MOUNT_WITHOUT_VOLUME: Reason(
            "Container {container} mounts volume {volume}, but the pod has no such volume and will be refused.",
            "Write it under volumes in the pod's spec, beside containers and not inside one.",
        ),
        Code.RAY_ADDRESS_HTTP: Reason(
            "Container {container}: RAY_ADDRESS is {found}, but ray.init() accepts no HTTP address there.",
            "Leave RAY_ADDRESS out: volray sets it, and RAY_API_SERVER_ADDRESS for `ray job submit`.",
        ),
        Code.PRINTS_IN_POD_LOGS: Reason(
            "With --logToStderr, the prints of tasks no longer appear in the output of `ray job submit`.",
            "Read them with kubectl logs of each pod, or leave --logToStderr out.",
        ),
        Code.NEVER_ENDS: Reason(
            "Task {head} has a command, but its end does not end the Job: the workers go on for ever.",
            "Write in task {head}: {yaml}.",
        ),
        Code.RUNS_AGAIN: Reason(
            "Task {head} has a command and restartPolicy Always: it is run again for ever, even after success.",
            "Write in the template of task {head}: {yaml}.",
        ),
        Code.FAILS_FOR_EVER: Reason(
            "Task {head} has a command and restartPolicy OnFailure: while it fails it is run again for ever.",
            "Write restartPolicy: Never and in task {head}: {yaml}.",
        ),
        Code.FAILURE_UNSEEN: Reason(
            "Task {head} has a command and restartPolicy Never, but its failure does not end the Job.",
            "Write in task {head}: {yaml}.",
        ),
        Code.ONLY_OWN_PODS: Reason(
            "The svc plugin makes a NetworkPolicy that lets only the Job's own pods in: no dashboard, no Ray client.",
            "Drop svc, which Ray does not need, or write: {yaml}.",
        ),
        Code.UNLABELLED_NODE: Reason(
            "Task {task} is a Ray {role} by its name, but its pods will have no Ray: its template has no label.",
            "Write in its template: {yaml}.",
        ),
        Code.NO_WORKER_PODS: Reason(
            "Leaving replicas out means replicas: 0 to Volcano: no pod of this task is made.",
            "Write replicas: 1 or more, or replicas: 0 if that is what you want.",
        ),
        Code.GANG_WAITS: Reason(
            "The gang needs {needed}, but until dependsOn is met only {count} can start ({first}): the Job stays "
            "Pending for ever.",
            "Drop dependsOn from {waiting}: workers wait for the head by themselves. Or write spec.minAvailable: "
            "{enough}.",
        ),
        Code.SCALED_BELOW_WAIT: Reason(
            "Task {task} waits for --waitNodes={wanted} Ray nodes, and after this update the replicas of head and "
            "workers add up to {found}. A head that has started goes on; after a restart it would wait for ever.",
            "Keep the sum of replicas at {wanted} or more.",
        ),
        Code.WRONG_TEMPLATE: Reason("The Jobs made from this will be refused."),
        Code.CONTENT_TYPE: Reason("The content type is {found!r}.", "Send application/json."),
        Code.TOO_LARGE: Reason("The body is larger than {limit} bytes.", "An AdmissionReview is smaller."),
        Code.NOT_JSON: Reason("The body is not JSON: {why}."),
        Code.NOT_A_REVIEW: Reason(
            "{field} is {found}, not {wanted}.",
            "Send an AdmissionReview of admission.k8s.io/v1 with a request.",
        ),
        Code.INTERNAL: Reason(
            "volray failed on this object, which is a fault of volray.",
            "Its log has the trace under this uid.",
        ),
    }
)


@dataclass(frozen=True)
class Finding:
    """One thing that was found: its code and the values that its sentence names."""

    code: Code
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The sentence and, where there is one, the hint."""
        reason, fields = REASONS[self.code], dict(self.fields)
        return tuple(template.format_map(fields) for template in (reason.sentence, reason.hint) if template)

    @property
    def text(self) -> str:
        """Both in one line."""
        return " ".join(self.lines)


def finding(code: Code, **fields: object) -> Finding:
    """A Finding from keyword arguments; `{x!r}` in a sentence quotes the value's text."""
    return Finding(code, tuple((name, str(value)) for name, value in fields.items()))
