"""The entities starter: people, places and organisations, on top of MiniLM."""
