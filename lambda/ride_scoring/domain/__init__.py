"""What the function is about: ride events, taxi zones, and the features made of them."""
