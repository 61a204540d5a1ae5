"""One module per verb: the whole use case, readable top to bottom."""
