"""Training on several processes or machines: start them, connect them, split the work, survive."""
