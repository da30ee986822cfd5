"""What Jitsu Classic leaves behind, taken over: its configuration, and what its Redis has."""
