"""The digits that the vae starter makes of noise: see README.md."""
