"""What runs and packs the system: environments, LocalStack without Docker, package, demo."""
