"""How methods are judged: the protocol, the baselines, and learners out of saved sets."""
