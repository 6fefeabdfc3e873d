"""A data set on the device: its representation and the learner that every method shares."""
