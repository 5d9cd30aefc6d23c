"""How every training kind trains: one loop, its checkpoints, and the parts that learners are made of."""
