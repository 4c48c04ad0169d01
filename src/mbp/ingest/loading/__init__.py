"""Outside market data into the raw tables: mapped, checked, counted, and honest about what it lacks."""

from mbp.ingest.loading.load_sources import LoadReport, load_folder
from mbp.ingest.loading.loads import TableReport, undo
from mbp.ingest.loading.mapping import Mapping, load_mapping
from mbp.ingest.loading.source_facts import SourceFacts, read_facts

__all__ = [
    "LoadReport",
    "Mapping",
    "SourceFacts",
    "TableReport",
    "load_folder",
    "load_mapping",
    "read_facts",
    "undo",
]
