"""The same contract enforced by three engines: dbt, Great Expectations and datacontract-cli.

Each engine gets the rules in its own words where it has them, and as SQL where it has not; what it cannot
express is told with the reason. Their results are one model, so that they can be compared.
"""
