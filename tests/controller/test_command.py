"""The command line around the controller, against an apiserver in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.apiserver.front import kubeconfig, over_http
from tests.apiserver.memory import Apiserver
from tests.controller.head_service.objects import job
from webhook.k8s.paths import JOBS, LEASES, SERVICES


def test_the_command_acts_gives_the_lease_back_and_exits_0(tmp_path: Path) -> None:
    apiserver = Apiserver()
    apiserver.place(JOBS, job())
    with over_http(apiserver) as front:
        process = start(front.url, tmp_path)
        try:
            apiserver.wait_for(lambda: apiserver.find(SERVICES, "demo-head-svc") is not None, "the Service")
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, output
    lease = apiserver.find(LEASES, "volray-controller", "here")
    assert lease is not None
    assert "holderIdentity" not in lease["spec"]
    events = [json.loads(line)["event"] for line in output.splitlines()]
    assert sorted(events) == ["controller", "leading", "service", "stopped", "stopping"]
    assert (events[:2], events[-1]) == (["controller", "leading"], "stopped")


def test_the_command_that_loses_its_lease_exits_1_with_a_sentence(tmp_path: Path) -> None:
    apiserver = Apiserver()
    with over_http(apiserver) as front:
        process = start(front.url, tmp_path)
        try:
            apiserver.wait_for(lambda: apiserver.find(LEASES, "volray-controller", "here") is not None, "the Lease")
            lease = apiserver.find(LEASES, "volray-controller", "here")
            assert lease is not None
            apiserver.place(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": "another"}})
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "Error: Another controller has taken the lease." in output


def start(url: str, folder: Path) -> subprocess.Popen[str]:
    config = folder / "config"
    config.write_text(kubeconfig(url, "t"))
    volray = Path(sys.executable).with_name("volray")
    env = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    return subprocess.Popen(
        [volray, "controller", "--side-port", "0", "--namespace", "here"],
        env={**env, "KUBECONFIG": str(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
