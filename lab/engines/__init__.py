"""What an engine enforces by itself: measured on a live one, never assumed."""
