"""Active learning whose answers are known: every query with every seed, round by round."""
