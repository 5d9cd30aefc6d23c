"""The digits starter: "a photo of seven" to a 32x32 picture, small enough for tests."""
