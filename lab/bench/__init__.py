"""How fast the contracts are checked, beside other tools on the same rows.

A tool that crashed, or that checked fewer rules than it was given, is a failed measurement and never a fast one.
"""
