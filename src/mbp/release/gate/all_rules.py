"""Every rule of the gate, by the name that definitions use."""

# The modules of the rules register their functions when they are imported.
from mbp.release.gate import rules_documents, rules_evidence, rules_warehouse
from mbp.release.gate.judgement import RULES

__all__ = ["RULES", "rules_documents", "rules_evidence", "rules_warehouse"]
