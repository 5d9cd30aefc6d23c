"""The sentiment starter: positive, neutral or negative, on top of MiniLM."""
