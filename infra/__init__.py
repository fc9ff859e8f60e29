"""Runs and packages the system: environments, LocalStack without Docker, package, demo."""
