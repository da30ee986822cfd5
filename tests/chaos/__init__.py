"""Fault injection: real processes under a load, a nemesis that follows a seed, and the checker of what it leaves."""
