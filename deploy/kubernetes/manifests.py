"""Looks into manifests, for check and life.

agree FOLDER       whether what stands in several places is the same
check TERN FOLDER  every configuration among the manifests of standard input, by `tern check`; FOLDER stands for /etc/tern
probes             the probes and the preStop of the DaemonSet of standard input, one a line
"""

import os
import pathlib
import re
import subprocess
import sys

import yaml

# What the downward API would say.
NODE = {"spec.nodeName": "node-a", "status.hostIP": "10.0.0.5"}


def only(kind, documents):
    (found,) = [document for document in documents if document and document["kind"] == kind]
    return found


def container(documents):
    pod = only("DaemonSet", documents)["spec"]["template"]["spec"]
    return pod, pod["containers"][0]


def environment(documents):
    values = {}
    for entry in container(documents)[1].get("env", []):
        value = entry.get("value")
        if value is None:
            value = NODE[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        values[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda name: values[name[1]], value)
    return values


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def agree(folder):
    paths = sorted(pathlib.Path(folder).glob("*.yaml"))
    documents = [d for path in paths for d in yaml.safe_load_all(path.read_text())]
    listed = only("Kustomization", documents)["resources"]
    assert set(listed) | {"kustomization.yaml"} == {path.name for path in paths}, "what kustomization.yaml lists"
    pod, relay = container(documents)
    drain = relay["lifecycle"]["preStop"]["exec"]["command"]
    deadline = seconds(drain[drain.index("--deadline") + 1])
    # announce.linger is at most a minute.
    assert pod["terminationGracePeriodSeconds"] >= deadline + 75, "the drain does not fit into the grace period"
    workers = re.search(r"workers = (\d+)", only("ConfigMap", documents)["data"]["tern.toml"])[1]
    assert relay["resources"]["requests"]["cpu"] == workers, "as many workers as CPUs are asked for"
    selector = only("DaemonSet", documents)["spec"]["selector"]["matchLabels"]
    labels = only("DaemonSet", documents)["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= labels.items(), "the selector does not select"
    mounted = {mount["name"] for mount in relay["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}, "volumes and mounts"
    print(f"a drain of {deadline} s fits into {pod['terminationGracePeriodSeconds']} s")


def check(tern, folder):
    documents = list(yaml.safe_load_all(sys.stdin))
    # Each node with a configuration of its own is told of its own name.
    looked = 0
    path = pathlib.Path(folder, "config")
    path.mkdir(exist_ok=True)
    for name, text in only("ConfigMap", documents)["data"].items():
        file = path / name
        file.write_text(text.replace("/etc/tern/", f"{folder}/"))
        told = {**os.environ, **environment(documents)}
        said = subprocess.run([tern, "check", "--config", file], env=told, capture_output=True, text=True)
        assert said.returncode == 0 and "warning" not in said.stderr, f"{name}: {said.stdout}{said.stderr}"
        looked += 1
    given = [word for word in container(documents)[1]["args"] if word.startswith("/etc/tern/config/")]
    named = re.sub(r"\$\((\w+)\)", lambda name: environment(documents)[name[1]], given[0])
    assert (path / pathlib.Path(named).name).is_file(), f"no ConfigMap has {named}"
    assert looked, "no configuration was found"
    print(f"{looked} configurations are accepted")


def probes():
    relay = container(list(yaml.safe_load_all(sys.stdin)))[1]
    for kind in ("livenessProbe", "readinessProbe"):
        get = relay[kind]["httpGet"]
        print(f"http://{get['host']}:{get['port']}{get['path']}")
    print(" ".join(relay["lifecycle"]["preStop"]["exec"]["command"][1:]))


if __name__ == "__main__":
    {"agree": agree, "check": check, "probes": probes}[sys.argv[1]](*sys.argv[2:])
