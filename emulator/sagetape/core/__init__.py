"""Decides, and never waits: no aiohttp, asyncio, boto3, click, sockets, threads, files or clock in here.

The time and every random number are arguments. `tests/core/test_imports.py` enforces the direction.
"""
