"""Reads the examples of deployments, and says what in them could not work. Neither Docker nor Kubernetes runs here."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import yaml

from perdure.cli import main

ROOT: Final = Path(__file__).parents[2]
FLEET: Final = ROOT / "examples" / "fleet"
KINDS: Final = {
    "Secret": "v1",
    "ConfigMap": "v1",
    "ServiceAccount": "v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
}
LET_GO_SECONDS: Final = 10
"""What is under way past the drain is cancelled, and waited for so long."""

Yaml = dict[str, Any]


class Called(NamedTuple):
    """A command of perdure as a container gets it."""

    where: str
    words: Sequence[str]


def loaded(path: Path) -> list[Yaml]:
    """Return the documents of a YAML file."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def said_of(call: Called) -> str | None:
    """Return what the real command line says against the call, or None."""
    command: click.Command = main
    context = click.Context(main, info_name="perdure")
    rest = list(call.words)
    try:
        while True:
            context = command.make_context(context.info_name or "perdure", rest, parent=context)
            # What a group passes on: click keeps the command's name apart from the rest.
            passed: Sequence[str] = getattr(context, "_protected_args", ())
            left = [*passed, *context.args]
            if not isinstance(command, click.Group) or not left:
                return None
            name, found, rest = command.resolve_command(context, left)
            if found is None:
                return f"{call.where}: there is no {name}"
            command = found
            context.info_name = name
    except click.ClickException as error:
        return f"{call.where}: {error.format_message()}"


# -- Docker --------------------------------------------------------------------------------------------


def image_command(dockerfile: str) -> list[str]:
    """Return ENTRYPOINT and CMD of the last stage."""
    words: list[str] = []
    for verb in ("ENTRYPOINT", "CMD"):
        found = re.findall(rf"^{verb} (\[.*\])$", dockerfile, flags=re.MULTILINE)
        words += json.loads(found[-1])
    return words


def composed(document: Yaml) -> Iterator[Called]:
    """Yield the commands of services that run our image."""
    for name, service in document["services"].items():
        if service.get("image") == "perdure-worker" and "command" in service:
            yield Called(f"service {name}", service["command"])


def wrong_in_compose(document: Yaml, drain_seconds: float) -> Iterator[str]:
    """Yield what could not work."""
    services = document["services"]
    for name, service in services.items():
        if "image" not in service and "build" not in service:
            yield f"service {name} has neither an image nor a build"
        needs = service.get("depends_on", {})
        for other in needs:
            if other not in services:
                yield f"service {name} waits for {other}, which isn't there"
            elif "service_healthy" in str(needs) and _unchecked(needs, other, services):
                yield f"service {name} waits for the health of {other}, which has no check"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (FLEET / source).exists():
                    yield f"service {name} mounts {source}, which isn't there"
            elif source not in document["volumes"]:
                yield f"service {name} mounts the volume {source}, which isn't declared"
    grace = float(services["worker"]["stop_grace_period"].rstrip("s"))
    if grace < drain_seconds + LET_GO_SECONDS:
        yield f"a worker is killed after {grace:.0f} s, and drains for {drain_seconds:.0f}"


def _unchecked(needs: Yaml, other: str, services: Yaml) -> bool:
    return needs[other]["condition"] == "service_healthy" and "healthcheck" not in services[other]


# -- Kubernetes ----------------------------------------------------------------------------------------


def pods(document: Yaml) -> Iterator[Yaml]:
    """Yield the pod templates in a document."""
    if document["kind"] == "CronJob":
        yield document["spec"]["jobTemplate"]["spec"]["template"]
    elif document["kind"] in ("Deployment", "Job"):
        yield document["spec"]["template"]


def containers(documents: Sequence[Yaml]) -> Iterator[tuple[str, Yaml, Yaml]]:
    """Yield (where, pod, container)."""
    for document in documents:
        for pod in pods(document):
            for container in pod["spec"]["containers"]:
                yield f"{document['kind']} {document['metadata']['name']}", pod, container


def environment(container: Mapping[str, Any]) -> list[Yaml]:
    return container.get("env", [])


def drain_of(words: Sequence[str]) -> float:
    """Return what follows ``--drain-seconds``."""
    return float(words[list(words).index("--drain-seconds") + 1])


def wrong_in_manifests(documents: Sequence[Yaml]) -> Iterator[str]:
    """Yield what could not work."""
    named = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    for document in documents:
        kind = document["kind"]
        if KINDS.get(kind) != document["apiVersion"]:
            yield f"{kind} is not of {document['apiVersion']}"
    labels = [pod["metadata"]["labels"] for document in documents for pod in pods(document)]
    for document in documents:
        selector = document.get("spec", {}).get("selector", {}).get("matchLabels")
        if selector is not None and not any(selector.items() <= each.items() for each in labels):
            yield f"{document['kind']} {document['metadata']['name']} selects {selector}, which no pod has"
    for where, pod, container in containers(documents):
        yield from _wrong_in_pod(where, pod["spec"], container, named)


def _wrong_in_pod(
    where: str, spec: Yaml, container: Yaml, named: Mapping[tuple[str, str], Yaml]
) -> Iterator[str]:
    volumes = {each["name"]: each for each in spec.get("volumes", [])}
    for volume in volumes.values():
        if "configMap" in volume and ("ConfigMap", volume["configMap"]["name"]) not in named:
            yield f"{where}: there is no ConfigMap {volume['configMap']['name']}"
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            yield f"{where}: there is no volume {mount['name']}"
    for variable in environment(container):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference is not None:
            secret = named.get(("Secret", reference["name"]), {})
            if reference["key"] not in secret.get("stringData", {}):
                yield f"{where}: {variable['name']} comes from a key that no Secret has"
    ports = {each["name"] for each in container.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if probe in container and container[probe]["httpGet"]["port"] not in ports:
            yield f"{where}: {probe} asks a port that isn't there"
    if "--drain-seconds" in container.get("args", []):
        before = sum(float(word) for word in _pre_stop(container)[1:2])
        grace = spec["terminationGracePeriodSeconds"]
        if grace < before + drain_of(container["args"]) + LET_GO_SECONDS:
            yield f"{where}: killed after {grace} s, before it has drained"


def _pre_stop(container: Yaml) -> list[str]:
    return container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])


def probed(documents: Sequence[Yaml]) -> set[str]:
    """Return the paths that are asked."""
    found = set[str]()
    for _, _, container in containers(documents):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                found.add(container[probe]["httpGet"]["path"])
    return found


def shell_calls(text: str) -> Iterator[Called]:
    """Yield commands of perdure in a script, or behind ``compose run``."""
    for line in text.replace("\\\n", " ").splitlines():
        found = re.search(r"(?:^\s*perdure|run --rm cli) (.*)$", line)
        if found:
            words = shlex.split(found[1])
            yield Called(line.strip(), ["x" if word.startswith("$") else word for word in words])


def alerts(documents: Sequence[Yaml]) -> dict[str, str]:
    """Return the rules' expressions by their names."""
    return {
        rule["alert"]: rule["expr"]
        for document in documents
        if document["kind"] == "PrometheusRule"
        for group in document["spec"]["groups"]
        for rule in group["rules"]
    }
