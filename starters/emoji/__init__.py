"""The recipe of the emoji starter: captions to 64x64 pictures, trained on the Noto emoji."""
