"""Waivers: signed, temporary exceptions to a check, a rule or a change, and who approved them."""
