"""`volray inject`: what comes out, what is said of it, and what is left alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonpatch
import pytest
from click.testing import CliRunner

from tests import recordings
from tests.server.application import Application, patch_of
from tests.server.test_review import asking
from tests.volcano_pods import container_of, env_of, injected, pod
from webhook.cli import documents
from webhook.cli.main import main
from webhook.jobs.job import Task, VolcanoJob
from webhook.jobs.volcano import pod_of
from webhook.pods.inject import inject as inject_pod
from webhook.reasons import Code

if TYPE_CHECKING:
    from tests.cli.conftest import Inject
    from webhook.names import Object

JOB = Path(__file__).parents[2].joinpath("examples", "job.yaml").read_text()

CONFIG_MAP = """\
# What a person wrote,   with care
apiVersion: v1
kind: ConfigMap   # not ours
metadata: {name: "a",   labels: {yes: 0123}}
data:
  text: |+
    a
    ---
    b

"""


def stream(*texts: str) -> str:
    return "---\n".join(texts)


def loaded(text: str) -> list[Any]:
    return [documents.load(part) for part in documents.split(text)]


def job(**spec: Any) -> Object:
    """The example with parts of its spec replaced."""
    example: Object = documents.load(JOB)
    return {**example, "spec": {**example["spec"], **spec}}


class TestPods:
    def test_a_stream_of_pods_comes_out_as_the_server_would_make_them(self, inject: Inject) -> None:
        reviews = [recordings.review(name) for name in recordings.names("pod-create-*")]
        for review in reviews:
            del review["request"]["object"]["metadata"]["managedFields"]
        subjects = [review["request"]["object"] for review in reviews]
        result = inject(stream(*map(documents.dump, subjects)))
        application = Application()
        responses = [application.review(review) for review in reviews]
        expected = [
            jsonpatch.apply_patch(subject, patch_of(response)) if "patch" in response else subject
            for subject, response in zip(subjects, responses, strict=True)
        ]
        assert result.exit_code == 0
        assert loaded(result.stdout) == expected
        assert len([line for line in result.stderr.splitlines() if line[0] in "√-"]) == len(subjects)

    def test_a_warning_of_the_server_is_one_of_the_report(self, inject: Inject) -> None:
        doubtful = pod()
        result = inject(documents.dump(doubtful))
        warnings = Application().review(asking(doubtful))["warnings"]
        assert f"‼ Pod demo-head-0: {' '.join(warnings)}" in result.stderr.splitlines()

    def test_the_namespace_of_a_pod_that_names_none_is_the_option(self, inject: Inject) -> None:
        nameless = pod("worker")
        del nameless["metadata"]["namespace"]
        for options, namespace in ((["-n", "ml"], "ml"), ([], "default")):
            (worker,) = loaded(inject(documents.dump(nameless), *options).stdout)
            assert f".{namespace}.svc:" in env_of(container_of(worker))["RAY_ADDRESS"]

    def test_the_namespace_of_a_pod_that_names_one_stays(self, inject: Inject) -> None:
        (worker,) = loaded(inject(documents.dump(pod("worker")), "-n", "ml").stdout)
        assert ".default.svc:" in env_of(container_of(worker))["RAY_ADDRESS"]

    def test_a_file_is_read_as_standard_input_is(self, inject: Inject, tmp_path: Path) -> None:
        file = tmp_path / "job.yaml"
        file.write_text(JOB)
        for option in ("-f", "--filename"):
            result = CliRunner().invoke(main, ["inject", option, str(file)])
            assert (result.exit_code, result.stdout) == (0, inject(JOB).stdout)

    def test_a_file_that_is_none_is_a_usage_error(self) -> None:
        result = CliRunner().invoke(main, ["inject", "-f", "no-such-file"])
        assert result.exit_code == 2
        assert "no-such-file" in result.stderr


class TestJobs:
    def test_a_job_comes_out_with_its_head_service(self, inject: Inject) -> None:
        result = inject(JOB)
        out, service = loaded(result.stdout)
        assert (out["kind"], service["kind"]) == ("Job", "Service")
        assert service["metadata"]["name"] == "demo-head-svc"
        assert [line[:1] for line in result.stderr.splitlines()] == ["√", "√"]

    def test_every_template_is_injected_and_asks_nobody_else(self, inject: Inject) -> None:
        given = job(plugins={"ray": ["--port=6380"], "env": []})
        given["spec"]["tasks"][0]["template"]["metadata"] = {"labels": {"ray.volcano.sh/cluster": "true", "own": "1"}}
        (out, _) = loaded(inject(documents.dump(given)).stdout)
        assert out["spec"]["plugins"] == {"env": []}
        for task in out["spec"]["tasks"]:
            metadata = task["template"]["metadata"]
            assert "ray.volcano.sh/cluster" not in metadata["labels"]
            assert "ray.volcano.sh/injected" in metadata["annotations"]
        assert out["spec"]["tasks"][0]["template"]["metadata"]["labels"]["own"] == "1"

    def test_plugins_that_were_ray_alone_go(self, inject: Inject) -> None:
        assert "plugins" not in loaded(inject(JOB).stdout)[0]["spec"]

    @pytest.mark.parametrize("name", recordings.names("job-create-*"))
    def test_an_installed_volray_leaves_the_pods_alone(self, name: str, inject: Inject) -> None:
        result = inject(documents.dump(recordings.subject(name)))
        lines = [line for line in result.stderr.splitlines() if line.startswith("√")]
        injected_tasks = [line.partition(", task ")[2].split(" ")[0] for line in lines]
        outs: dict[str, tuple[VolcanoJob, Task]] = {}
        for out in loaded(result.stdout):
            if out["kind"] == "Job":
                whole = VolcanoJob.read(out, "default")
                outs |= {task.name: (whole, task) for task in whole.tasks}
        for name_of_task in injected_tasks:
            found = inject_pod(pod_of(*outs[name_of_task]), "default")
            assert (found.reason.code, found.operations) == (Code.ALREADY_INJECTED, ())

    def test_the_pods_of_a_job_are_those_that_volcano_would_have_injected(self, inject: Inject) -> None:
        given = VolcanoJob.read(job(), "default")
        result = inject(JOB, "--pods")
        pods = loaded(result.stdout)
        assert [one["metadata"]["name"] for one in pods] == ["demo-head-0", "demo-worker-0", "demo-worker-1"]
        for one in pods:
            task = next(t for t in given.tasks if t.name == one["metadata"]["labels"]["volcano.sh/task-spec"])
            index = int(one["metadata"]["labels"]["volcano.sh/task-index"])
            pod = pod_of(given, task, index)
            pod["metadata"]["labels"]["ray.volcano.sh/cluster"] = "true"
            assert one == injected(pod)

    def test_a_job_with_volumes_of_its_own_gets_no_second_mount_and_keeps_its_templates(self, inject: Inject) -> None:
        path = "/dev/shm"  # noqa: S108 - Ray's own path
        text = documents.dump(job(volumes=[{"mountPath": path, "volumeClaimName": "fast"}]))
        (out, _) = loaded(inject(text).stdout)
        assert out["spec"]["volumes"] == [{"mountPath": path, "volumeClaimName": "fast"}]
        for body, given in zip(out["spec"]["tasks"], job()["spec"]["tasks"], strict=True):
            spec, before = body["template"]["spec"], given["template"]["spec"]
            assert spec.get("volumes") == before.get("volumes")
            assert spec["containers"][0].get("volumeMounts") == before["containers"][0].get("volumeMounts")
        for one in loaded(inject(text, "--pods").stdout):
            assert [mount["mountPath"] for mount in container_of(one)["volumeMounts"]].count(path) == 1

    def test_the_report_is_that_of_the_webhook_and_each_line_names_the_place(self, inject: Inject) -> None:
        """J11 and J14."""
        given = job(plugins={"ray": ["--port=1"], "svc": []})
        given["spec"]["tasks"][0]["template"]["spec"]["containers"][0]["command"] = ["python", "train.py"]
        lines = inject(documents.dump(given)).stderr.splitlines()
        assert [line.partition(": The")[0] for line in lines if line.startswith("‼")] == [
            "‼ Job demo: spec.plugins.svc",
            "‼ Job demo: tasks[head].policies",
        ]
        given["spec"]["plugins"]["ray"] = ["--prot=1"]
        result = inject(documents.dump(given))
        assert result.exit_code == 1
        assert "× Job demo: spec.plugins.ray[0]: --prot=1 is not a flag" in result.stderr  # noqa: RUF001 - the mark

    def test_a_template_of_jobs_stays_and_is_told_of_like_the_jobs_made_from_it(self, inject: Inject) -> None:
        """J10."""
        spec = job(plugins={"ray": []})["spec"]
        cron = {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "CronJob", "metadata": {"name": "nightly"}}
        text = documents.dump({**cron, "spec": {"jobTemplate": {"spec": spec}}})
        result = inject(text)
        assert (result.exit_code, result.stdout) == (0, text)
        assert result.stderr.startswith("- CronJob nightly: volray inject does not change a CronJob")
        spec["tasks"][0]["replicas"] = 2
        result = inject(documents.dump({**cron, "spec": {"jobTemplate": {"spec": spec}}}))
        assert result.exit_code == 1
        assert "× CronJob nightly: spec.jobTemplate.spec.tasks[head].replicas: " in result.stderr  # noqa: RUF001
        del spec["plugins"]
        result = inject(documents.dump({**cron, "spec": {"jobTemplate": {"spec": spec}}}))
        assert result.stderr == "- CronJob nightly: The Job has no plugins.ray, no opt-in label and no head task.\n"

    def test_what_volcano_would_not_make_or_not_schedule_is_said(self, inject: Inject) -> None:
        tasks = job()["spec"]["tasks"]
        tasks[1]["dependsOn"] = {"name": ["head"]}
        result = inject(documents.dump(job(tasks=tasks, minAvailable=3)))
        assert result.exit_code == 0
        assert "‼ Job demo: The Job needs 3 pods (minAvailable)" in result.stderr

        del tasks[1]["replicas"], tasks[1]["dependsOn"]
        result = inject(documents.dump(job(tasks=tasks, minAvailable=1)), "--pods")
        assert [one["metadata"]["name"] for one in loaded(result.stdout)] == ["demo-head-0"]
        assert "‼ Job demo: tasks[worker].replicas: The task has no replicas field" in result.stderr

        tasks[0]["replicas"] = 0
        result = inject(documents.dump(job(tasks=tasks, minAvailable=1)))
        assert (result.exit_code, result.stdout) == (1, "")
        assert "× Job demo: tasks[head].replicas: The head task head has no replicas" in result.stderr  # noqa: RUF001

    def test_a_job_without_ray_is_left_alone_to_the_letter(self, inject: Inject) -> None:
        text = "# mine\n" + JOB.replace("ray: []", "svc: []").replace("name: head", "name: ps")
        result = inject(text)
        assert (result.exit_code, result.stdout) == (0, text)
        assert result.stderr.startswith("- Job demo: ")


class TestOthers:
    def test_they_come_out_byte_for_byte(self, inject: Inject) -> None:
        result = inject(CONFIG_MAP)
        assert (result.exit_code, result.stdout, result.stderr) == (0, CONFIG_MAP, "")

    def test_they_keep_their_place_in_the_stream(self, inject: Inject) -> None:
        result = inject(stream(CONFIG_MAP, documents.dump(pod()), CONFIG_MAP))
        assert result.stdout == stream(CONFIG_MAP, documents.dump(injected(pod())), CONFIG_MAP)

    def test_they_keep_the_line_ends_of_windows(self, inject: Inject) -> None:
        text = CONFIG_MAP.replace("\n", "\r\n").encode()
        assert inject(text).stdout_bytes == text

    def test_a_byte_order_mark_goes(self, inject: Inject) -> None:
        assert inject(b"\xef\xbb\xbf---\n" + CONFIG_MAP.encode()).stdout == CONFIG_MAP

    @pytest.mark.parametrize(
        "text",
        [
            "---\nkind: A\n---\nkind: B\n",
            "--- # first\nkind: A\n--- # second\nkind: B\n",
            "---\t\nkind: A\n---  \nkind: B\n",
            "--- {kind: A}\n--- {kind: B}\n",
            "---\r\nkind: A\r\n---\r\nkind: B\r\n",
            "kind: A\n---\n---\n\n---\nkind: B\n---\n",
            "kind: A\n---\n# nothing\n---\nkind: B\n---",
            "kind: A\n...\n---\nkind: B\n...\n",
            "kind: A\n---\nnull\n---\nkind: B",
        ],
    )
    def test_no_line_is_lost_between_documents(self, text: str, inject: Inject) -> None:
        result = inject(text)
        assert result.exit_code == 0
        assert loaded(result.stdout) == [{"kind": "A"}, {"kind": "B"}]

    @pytest.mark.parametrize(
        "text", ["kind: A\ntext: |\n  ---\n  b\n", "kind: A\ntext: ---b\n", "kind: A\ntext: >\n  a\n   --- b\n"]
    )
    def test_three_dashes_within_a_text_separate_nothing(self, text: str, inject: Inject) -> None:
        assert inject(text).stdout == text

    @pytest.mark.parametrize(
        "text", ["", "\n", "---\n", "# only a comment\n", "---\n# one\n---\n# another\n", "null\n"]
    )
    def test_nothing_comes_of_nothing(self, text: str, inject: Inject) -> None:
        result = inject(text)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")

    def test_volcanos_jobs_alone_are_jobs(self, inject: Inject) -> None:
        text = JOB.replace("batch.volcano.sh/v1alpha1", "batch/v1")
        assert inject(text).stdout == text


class TestLists:
    def test_the_items_of_a_list_are_injected_within_it(self, inject: Inject) -> None:
        items = [documents.load(CONFIG_MAP), pod(), job()]
        result = inject(documents.dump({"apiVersion": "v1", "kind": "List", "items": items}))
        (out,) = loaded(result.stdout)
        assert [item["kind"] for item in out["items"]] == ["ConfigMap", "Pod", "Job", "Service"]
        assert out["items"][:2] == [items[0], injected(pod())]

    def test_a_list_without_anything_of_ours_comes_out_byte_for_byte(self, inject: Inject) -> None:
        text = "apiVersion: v1\nkind: List\nitems: [{kind: A}]  # mine\n"
        assert inject(text).stdout == text

    def test_what_is_wrong_in_a_list_is_named(self, inject: Inject) -> None:
        items = [pod(flags="--port=x"), pod("worker", flags="--nonsense=1")]
        result = inject(documents.dump({"apiVersion": "v1", "kind": "List", "items": items}))
        assert (result.exit_code, result.stdout) == (1, "")
        assert [line[:1] for line in result.stderr.splitlines()] == ["×", "×"]  # noqa: RUF001 - the mark


class TestMistakes:
    def test_every_mistake_is_named_and_nothing_printed(self, inject: Inject) -> None:
        wrong_job = job()
        wrong_job["spec"]["tasks"][0]["replicas"] = 2
        wrong_job["spec"]["tasks"][0]["template"]["spec"]["containers"][0]["args"] = ["a"]
        text = stream(
            CONFIG_MAP,
            documents.dump(pod(flags="--port=x --nonsense=1")),
            documents.dump(pod("worker")),
            "a: [\n",
            "- a\n",
            documents.dump(wrong_job),
        )
        result = inject(text)
        assert (result.exit_code, result.stdout) == (1, "")
        lines = [line for line in result.stderr.splitlines() if line.startswith("×")]  # noqa: RUF001 - the mark
        mistakes = ["--port=x", "--nonsense", "document 4: This is", "document 5: The", "has 2 replicas", "args but no"]
        for words in mistakes:
            assert len([line for line in lines if words in line]) == 1
        assert len(lines) == len(mistakes)
        assert "√ Pod demo-worker-0" in result.stderr

    UNREADABLE: dict[str, tuple[str, str]] = {  # noqa: RUF012 - a table
        "tabs": ("a:\n\tb: 1\n", "line 2: found character '\\t' that cannot start any token"),
        "an open bracket": ("a: [1,\n", "line 2:"),
        "a list": ("- a\n", "The document is not an object."),
        "a number": ("3\n", "The document is not an object."),
        "a text": ("hello\n", "The document is not an object."),
        "a text of several lines": ("--- |\n  a\n", "The document is not an object."),
        "a list of a number": ("kind: List\nitems: [1]\n", "The document is not an object."),
        "a key that is a map": ("? {a: b}\n: c\n", "line 1: found unhashable key"),
        "a tag of Python": ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        "an alias of nothing": ("a: *b\n", "undefined alias"),
        "a control character": ("a: \x00\n", "special characters are not allowed"),
        "a number that is none": ("a: 0x_\n", "This is not valid YAML"),
        "a tag that lies": ("a: !!bool maybe\n", "This is not valid YAML"),
        "another tag that lies": ("a: !!timestamp never\n", "This is not valid YAML"),
        "an integer of 5000 digits": (f"a: {'9' * 5000}\n", "This is not valid YAML"),
        "deep brackets": (f"a: {'[' * 500}{']' * 500}\n", "This is not valid YAML"),
        "deep JSON": (f'{{"a": {"[" * 100_000}{"]" * 100_000}}}', "This is not valid YAML"),
        "deep enough": (f"a: {'[' * 210}{']' * 210}\n", "nested more than 200 levels deep"),
        "itself": ("a: &a [*a]\n", "its aliases repeat too much"),
        "a billion laughs": (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
            "its aliases repeat too much",
        ),
    }

    @pytest.mark.parametrize(("text", "sentence"), UNREADABLE.values(), ids=UNREADABLE)
    def test_what_is_no_manifest_is_one_sentence(self, text: str, sentence: str, inject: Inject) -> None:
        result = inject(text)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("× document 1: ")  # noqa: RUF001 - the mark
        assert result.stderr.count("\n") == 1
        assert sentence in result.stderr

    def test_what_is_no_utf_8_is_one_sentence(self, inject: Inject) -> None:
        result = inject(b"a: \xff\n")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "Error: The file is not valid UTF-8 (invalid start byte). Save it as UTF-8.\n"

    @pytest.mark.parametrize("metadata", [None, [], "a", {"name": ["a"]}, {"labels": {"a": 1}}])
    @pytest.mark.parametrize("kind", ["Pod", "Job"])
    def test_a_pod_or_job_of_another_shape_is_refused_by_its_place(
        self, kind: str, metadata: Any, inject: Inject
    ) -> None:
        subject = pod() if kind == "Pod" else job()
        result = inject(documents.dump({**subject, "metadata": metadata}))
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"{kind.lower()}.metadata" in result.stderr


REPEATED = {
    **{name: documents.dump(recordings.subject(name)) for name in recordings.names("pod-create-*-head-0")},
    "the example": JOB,
    "a stream": stream(CONFIG_MAP, documents.dump(pod()), JOB),
    "a list": documents.dump({"apiVersion": "v1", "kind": "List", "items": [pod(), job()]}),
    "a script": documents.dump(pod(command=["bash", "-c", "\necho 'a'\t\n\n  ray status \n\n"], args=["é\x85", "y"])),
}


@pytest.mark.parametrize("text", REPEATED.values(), ids=REPEATED)
def test_what_was_injected_comes_out_as_the_same_text(text: str, inject: Inject) -> None:
    first = inject(text)
    assert first.exit_code == 0
    second = inject(first.stdout)
    assert (second.exit_code, second.stdout) == (0, first.stdout)
    assert "√" not in second.stderr


def test_the_input_of_a_stream_is_not_shared_between_its_documents(inject: Inject) -> None:
    """An anchor makes one object of two templates; what is put into the one must not show in the other."""
    text = """\
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Pod
    metadata: &m {name: a, labels: &l {volcano.sh/job-name: demo, volcano.sh/task-spec: head}}
    spec: &s {containers: [{name: head, image: a}]}
  - {apiVersion: v1, kind: Pod, metadata: *m, spec: *s}
"""
    first, second = loaded(inject(text).stdout)[0]["items"]
    alone = copy.deepcopy(first)
    assert first == second == alone
    assert len(first["spec"]["containers"][0]["env"]) == len({e["name"] for e in first["spec"]["containers"][0]["env"]})
