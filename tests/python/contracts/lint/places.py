"""The files that are spoiled, and the day on which they are judged."""

from datetime import date

MARKETS = "contracts/a106/mbp_markets.odcs.yaml"
QUOTES = "contracts/a106/mbp_quotes.odcs.yaml"
ABUSE_EVENTS = "contracts/a106/mbp_abuse_events.odcs.yaml"
GLOSSARY = "contracts/a87/glossary.yaml"
METRICS = "contracts/a87/business_metrics.yaml"
POLICY = "contracts/a89/policy.yaml"
TODAY = date(2026, 11, 23)
