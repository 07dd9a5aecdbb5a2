"""A contract in Python, for an agent that operates a cluster: built where a list would be too long."""

from perdure.contract import ApprovalRule, Budget, Contract, Rule, ToolRules

PROTECTED = ("kube-system", "cert-manager", "monitoring")

contract = Contract(
    allow=("get_*", "list_*", "scale", "restart"),
    tools={"scale": ToolRules(amount="args.replicas", repeat=2)},
    rules=(
        Rule(
            "protected",
            ("scale", "restart"),
            require=f"!(args.namespace in {list(PROTECTED)})",
            hint="choose a namespace that holds an application",
        ),
        Rule("no-shutdown", ("scale",), require="args.replicas >= 1"),
    ),
    approvals=(
        ApprovalRule("production", ("scale", "restart"), when="args.namespace == 'prod'", who="on-call"),
    ),
    budgets=(
        Budget("replicas", "spend", 50, per="lineage", every="day"),
        Budget("restarts", "calls", 3, per="tenant", every="15m", tools=("restart",)),
    ),
)
