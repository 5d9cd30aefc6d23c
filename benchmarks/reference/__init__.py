"""Published results, reproduced through this installation's own training kinds."""
