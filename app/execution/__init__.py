"""Runs tasks: claims, attempts, logs and endings; and rescues the attempts of workers that are gone."""
