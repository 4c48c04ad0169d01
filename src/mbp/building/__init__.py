"""`mbp build`: checks before dbt, dbt itself in this process, and the summary after it."""
