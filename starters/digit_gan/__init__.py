"""The digits that the gan starter makes of noise: see README.md."""
