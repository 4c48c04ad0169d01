"""The documentation as a folder of static pages: dbt docs, and around it what each role reads first.

No server, no network, no scripts but those of dbt docs itself: it opens from a file and from any static host.
"""
