"""What runs jobs: one process per device, the kinds' work, and the engines under it. Knows no Flask."""
