"""Methods on one axis of budgets: points, each a method with a seed on a data set, and what they cost."""
