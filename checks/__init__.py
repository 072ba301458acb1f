"""What `doctor` looks at: the house, the machine, the model server and its adapters."""
