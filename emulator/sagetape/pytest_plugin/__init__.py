"""What the pytest plugin does when a test uses it. `sagetape.testing` is its door."""
