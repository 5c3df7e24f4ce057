"""The pod of our Kubernetes manifest (file), as `podman play kube` can run it on this machine: its own container with its
rights, volumes and arguments, but on the network of the host, where its page is at any port as the usual one may be taken,
with these folders (JSON: volume to path) and these more arguments."""

import json
import sys

import yaml

manifest, folders, arguments = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
template = next(one for one in yaml.safe_load_all(open(manifest)) if one["kind"] == "DaemonSet")["spec"]["template"]
pod = {"apiVersion": "v1", "kind": "Pod", **template}
pod["metadata"] = {**pod["metadata"], "name": "node", "annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}}
pod["spec"]["hostNetwork"] = True
pod["spec"]["restartPolicy"] = "Never"
for volume in pod["spec"]["volumes"]:
    if volume["name"] in folders:
        volume["hostPath"]["path"] = folders[volume["name"]]
(container,) = pod["spec"]["containers"]
container["args"] = ["127.0.0.1:0" if word == "127.0.0.1:4327" else word for word in container["args"]] + arguments
print(yaml.safe_dump(pod))
