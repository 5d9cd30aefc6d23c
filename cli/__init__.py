"""The `atelier` command: it starts processes and speaks HTTP. It knows no model, no page and no row."""
