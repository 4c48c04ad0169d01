"""The same contract enforced by three engines: dbt, Great Expectations and datacontract-cli.

Each engine gets the rules in its own form where it has one, and as SQL where it has not; what it cannot
express is reported with the reason. Their results have one form, so that they can be compared.
"""
