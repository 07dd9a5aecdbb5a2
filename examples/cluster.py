"""Operates a cluster, which is a file here: cluster.json. Production needs a person's yes.

perdure run examples/cluster.py:agent "The shop is slow: scale it, then restart the API" --run ops
"""

import json
from pathlib import Path
from typing import Literal, TypedDict

from perdure import Agent, Context, Found, Never, tool
from perdure.testing import ScriptedModel, call, say

CLUSTER = Path("cluster.json")


class Deployment(TypedDict):
    replicas: int
    restarted_by: str


BEGIN: dict[str, Deployment] = {
    "staging/shop": {"replicas": 2, "restarted_by": ""},
    "prod/api": {"replicas": 3, "restarted_by": ""},
}
Namespace = Literal["staging", "prod", "kube-system"]


def deployments() -> dict[str, Deployment]:
    return json.loads(CLUSTER.read_text()) if CLUSTER.exists() else BEGIN


def put(name: str, deployment: Deployment) -> None:
    CLUSTER.write_text(json.dumps({**deployments(), name: deployment}, indent=1))


@tool(effect="read")
def get_deployments() -> dict[str, Deployment]:
    """Return all deployments as namespace/name with their replicas."""
    return deployments()


@tool(effect="idempotent", timeout=30)
def scale(namespace: Namespace, name: str, replicas: int) -> Deployment:
    """Set the number of replicas. Setting it twice is the same as once, so it may be sent again."""
    deployment = deployments()[f"{namespace}/{name}"]
    put(f"{namespace}/{name}", {**deployment, "replicas": replicas})
    return deployments()[f"{namespace}/{name}"]


def find_restart(ctx: Context, namespace: Namespace, name: str) -> Found | Never:
    marked = deployments()[f"{namespace}/{name}"]["restarted_by"] == ctx.key
    return Found(f"{name} was restarted") if marked else Never()


@tool(effect="probeable", probe=find_restart, visible_within=2, timeout=30)
def restart(ctx: Context, namespace: Namespace, name: str) -> str:
    """Restart a deployment. Our key is put on it as an annotation, so the probe can see it."""
    deployment = deployments()[f"{namespace}/{name}"]
    put(f"{namespace}/{name}", {**deployment, "restarted_by": ctx.key})
    return f"{name} was restarted"


model = ScriptedModel(
    [
        call("get_deployments"),
        call("scale", namespace="staging", name="shop", replicas=4),
        call("scale", namespace="kube-system", name="dns", replicas=1),
        call("restart", namespace="prod", name="api"),
        say("The shop has 4 replicas, and the API was restarted."),
    ]
)
agent = Agent(
    name="cluster",
    instructions="Keep the cluster healthy. Change as little as you can.",
    tools=[get_deployments, scale, restart],
    model=model,
    contract=Path(__file__).with_name("contracts") / "cluster.py",
)
