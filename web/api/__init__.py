"""The native API, one module a noun."""
