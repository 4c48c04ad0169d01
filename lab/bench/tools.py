"""One run of a tool, as a separate process: `python -m lab.bench.tools TOOL ORDER RESULT`.

ORDER and RESULT are JSON files. The order holds what the tool needs to know of the warehouse, and the SQL of the
rules as dbt compiled it, so that no tool pays for compiling. The result is the verdict of every rule and the
seconds in which the tool was at work, its imports left out.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mbp.contracts import Contract, load_contracts
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_PASS, MbpError
from mbp.core.reporting.terminal import guard
from mbp.quality.enforcement.results import RuleResult
from mbp.warehouse import connect, quote_identifier

RELATION = "marts.mbp_quotes"
DATASET = "mbp_quotes"


def main(arguments: list[str]) -> int:
    """The exit code: 0 when the tool came to an end, whatever it found."""
    tool, order, result = arguments
    try:
        results = look(tool, json.loads(Path(order).read_text(encoding="utf-8")))
    except MbpError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    Path(result).write_text(json.dumps(results), encoding="utf-8")
    return EXIT_PASS


def look(tool: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Verdicts by rule, the rules that went as SQL, and seconds.

    Raises:
        MbpError: an unknown tool, or one that could not run.
    """
    contract = quotes_contract(Path(order["root"]))
    if tool == "read":
        return {"verdicts": {}, "as_sql": [], "engine_seconds": read(contract, order)}
    if tool == "datacontract":
        import datacontract.data_contract  # noqa: F401  its start is not its work

        from mbp.quality.enforcement import datacontract_engine

        started = time.perf_counter()
        results = datacontract_engine.run(
            [contract], order["queries"], order["server"], order["credentials"]
        )
    elif tool == "gx":
        import great_expectations  # noqa: F401

        from mbp.quality.enforcement import gx_engine

        started = time.perf_counter()
        results = gx_engine.run([contract], order["queries"], order["address"])
    else:
        raise MbpError(f"unknown tool {tool!r}", fix="use read, datacontract or gx")
    return {
        "verdicts": {result.rule_id: verdict(result) for result in results},
        "as_sql": [result.rule_id for result in results if not result.native],
        "engine_seconds": time.perf_counter() - started,
    }


def verdict(rule_result: RuleResult) -> str:
    """The verdict, with the reason where the tool could not check."""
    return (
        f"{rule_result.verdict}: {rule_result.reason}"
        if rule_result.verdict == "error"
        else rule_result.verdict
    )


def quotes_contract(root: Path) -> Contract:
    """The contract that is measured."""
    return next(contract for contract in load_contracts(root) if contract.dataset == DATASET)


def read(contract: Contract, order: Mapping[str, Any]) -> float:
    """Seconds to read every column of the contract once: what no check can be faster than."""
    columns = ", ".join(f"max({quote_identifier(column.name)})" for column in contract.columns)
    with connect(Path(order["root"]), order["engine"], read_only=True) as warehouse:
        started = time.perf_counter()
        warehouse.query(f"select {columns} from {RELATION}")
        return time.perf_counter() - started


if __name__ == "__main__":
    guard()
    sys.exit(main(sys.argv[1:]))
