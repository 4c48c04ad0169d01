"""Detached SSH signatures over canonical content: who holds which role, and who said what about which subject."""
