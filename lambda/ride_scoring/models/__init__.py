"""A model directory in, a model that predicts out: the store, its files, three ways to load one."""
