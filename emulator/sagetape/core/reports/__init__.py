"""Verdicts as files. What was recorded is hostile input here: nothing of it is ever markup."""
