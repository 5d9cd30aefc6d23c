"""The dataset doctor: reads what was uploaded, names every bad row, and makes rows to train on of the good ones."""
