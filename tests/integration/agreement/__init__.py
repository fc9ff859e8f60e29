"""One schedule through LocalStack's mapping and through the simulated one."""
