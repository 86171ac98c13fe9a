"""Real model containers in SageMaker's sense, started by tests, by the demo and by `make cassettes`.

`digits` classifies (scikit-learn), `text` continues a text and streams, `stateful` keeps a conversation per session,
`multi_model` loads and unloads. Each runs by `python -m tests.models.<name> --port 0` or by its path, prints one line
`ready url=http://127.0.0.1:<port>`, and ends on SIGTERM. `running.py` starts them.
"""
