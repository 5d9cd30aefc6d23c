"""What is done with every work before its owner gets it."""
