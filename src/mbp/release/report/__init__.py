"""One page for whoever decides about the release: collected as facts, rendered as self-contained HTML."""
