"""What checkpoints of a workspace cost, measured end to end beside what people use instead."""
