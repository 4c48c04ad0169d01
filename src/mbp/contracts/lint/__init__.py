"""`mbp contracts lint`: everything that is wrong with the contracts at once, with code and line."""
