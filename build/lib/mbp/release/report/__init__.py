"""One page for the person who decides about the release: collected as facts, rendered as self-contained HTML."""
