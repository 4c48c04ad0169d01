"""The documentation as a static site, built by MkDocs: the documents of docs/, pages of the contracts, dbt docs.

No server, no network: it opens from a file and from any static host, and so does its search.
"""
