"""Personal data and secrets (A108): found in text without ever being shown, and measured on a labelled corpus."""
