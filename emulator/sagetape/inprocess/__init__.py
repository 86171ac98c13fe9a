"""A deck inside the user's own process: shared between threads, answered without a socket.

Nothing here patches a library: botocore's public events carry the requests in and the answers out. What users
call is `sagetape.attach`, in `attaching.py`.
"""
