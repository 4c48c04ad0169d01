"""One module per verb. Each is thin: parse the options, call the library, print, exit."""
