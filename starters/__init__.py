"""Small text-to-image models that ship with Atelier, with the recipes that trained them."""
