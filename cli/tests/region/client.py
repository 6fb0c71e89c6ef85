"""Drives a region with the Kubernetes client for Python: create, watch, patch, page, delete."""

import sys

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException

config.load_kube_config(sys.argv[1])
core = client.CoreV1Api()

container = client.V1Container(name="main", image="busybox")
for index in range(3):
    pod = client.V1Pod(
        metadata=client.V1ObjectMeta(name=f"py-{index}", labels={"app": "py"}),
        spec=client.V1PodSpec(containers=[container]),
    )
    core.create_namespaced_pod("default", pod)

running = set()
for event in watch.Watch().stream(
    core.list_namespaced_pod, "default", label_selector="app=py", timeout_seconds=60
):
    if event["object"].status.phase == "Running":
        running.add(event["object"].metadata.name)
    if len(running) == 3:
        break
assert len(running) == 3, running

core.patch_namespaced_pod("py-0", "default", {"metadata": {"labels": {"colour": "blue"}}})
assert len(core.list_namespaced_pod("default", label_selector="colour=blue").items) == 1

page = core.list_namespaced_pod("default", limit=2)
rest = core.list_namespaced_pod("default", limit=2, _continue=page.metadata._continue)
assert len(page.items) + len(rest.items) == 3

try:
    core.read_namespaced_pod("missing", "default")
except ApiException as error:
    assert error.status == 404, error
else:
    raise AssertionError("a pod that was never made is there")

core.delete_collection_namespaced_pod("default", label_selector="app=py", grace_period_seconds=0)
assert core.list_namespaced_pod("default").items == []
