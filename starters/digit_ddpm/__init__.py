"""The digits that the ddpm starter makes of noise: see README.md."""
