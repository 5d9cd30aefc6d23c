"""The chorale starter: four voices in Bach's manner, learnt from his own."""
