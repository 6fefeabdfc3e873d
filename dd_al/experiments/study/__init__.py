"""Sets for several networks, tried on all of them."""
