"""What was measured, of which source and data, and when: files that a verdict can be checked against."""
