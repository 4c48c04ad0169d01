"""The settings of a project so small that dbt reads it in a moment."""

PROJECT = """
name: small
version: "1.0.0"
profile: mbp
model-paths: ["sql"]
test-paths: ["checks"]
flags: {send_anonymous_usage_stats: false}
"""
