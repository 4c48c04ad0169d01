"""One module per verb. Each is thin: parse the options, call the library, print, exit.

The constants are the headings of `mbp --help`, in its order: one for each task of a user. Each command
names its own as `rich_help_panel`.
"""

START = "Start here"
DATA = "Bring in and serve data"
CONTRACTS = "Contracts and their versions"
QUALITY = "Quality, privacy, security"
DECISIONS = "KPIs and decisions"
RELEASE = "Release"
DOCUMENTS = "Documentation"
PANELS = (START, DATA, CONTRACTS, QUALITY, DECISIONS, RELEASE, DOCUMENTS)
