"""Published versions of contracts: immutable, hashed, chained, with the schemas that follow from them."""
