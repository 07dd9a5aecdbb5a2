"""Floor 3: what may happen. Rules as data, made ready once, and a judge without clock or chance."""

from perdure.contract.judgement import Allowed, ApprovalNeed, Figures, Refusal, Where
from perdure.contract.judging import check_arguments, divergence, judge, judge_model, redact
from perdure.contract.law import Law, compile_law, problems_of
from perdure.contract.problems import Problem
from perdure.contract.rules import (
    ApprovalRule,
    Budget,
    Contract,
    Reach,
    Redaction,
    Rule,
    ToolRules,
    contract_bytes,
    contract_digest,
    read_contract,
)

__all__ = [
    "Allowed",
    "ApprovalNeed",
    "ApprovalRule",
    "Budget",
    "Contract",
    "Figures",
    "Law",
    "Problem",
    "Reach",
    "Redaction",
    "Refusal",
    "Rule",
    "ToolRules",
    "Where",
    "check_arguments",
    "compile_law",
    "contract_bytes",
    "contract_digest",
    "divergence",
    "judge",
    "judge_model",
    "problems_of",
    "read_contract",
    "redact",
]
