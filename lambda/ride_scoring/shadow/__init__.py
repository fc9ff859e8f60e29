"""A second model that scores beside the one that serves, in a process of its own."""
