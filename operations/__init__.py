"""What is done with a deployment: plan its cost, watch it, redrive what was set aside."""
