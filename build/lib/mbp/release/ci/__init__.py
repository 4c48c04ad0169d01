"""The comment on a pull request: one text from the reports of its steps, which never claims more than they show."""
