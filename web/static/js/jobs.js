// Choosing many jobs at once.
