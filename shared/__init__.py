"""What the front end and the workers agree on. Knows no Flask and no torch."""
