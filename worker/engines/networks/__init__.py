"""Networks of Atelier's own, small enough to be trained here: each is built from its config, and knows no file."""
