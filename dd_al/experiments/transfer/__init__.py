"""A distilled set away from home: other networks, optimizers and schedules."""
