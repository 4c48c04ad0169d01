"""First versions of contracts: `mbp init` and `mbp contracts import` write them, people finish them."""
