"""A container around a scikit-learn classifier, trained at start on the digits that scikit-learn ships (8x8 pixels).

`POST /invocations` takes rows of 64 numbers from 0 to 16: `application/json` (`{"instances": [[...], ...]}`),
`text/csv` (a row per line) or `application/x-npy` (an array of shape (n, 64)). It answers JSON,
`{"predictions": [{"label": 3, "probabilities": [...]}]}`, or, for `Accept: application/x-npy`, a float32 array of the
probabilities, shape (n, 10). Other content types get a 415.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

if not __package__:  # started by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from aiohttp import web
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.models.serving import Unreadable, arguments, new_app, parse_json, serve

NPY = "application/x-npy"
PIXELS = 64


def train() -> Any:
    """The classifier; the same one every time."""
    images, labels = load_digits(return_X_y=True)
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)).fit(images, labels)


def read_json(body: bytes) -> np.ndarray:
    return np.asarray(parse_json(body).get("instances", ()), dtype=np.float64)


def read_csv(body: bytes) -> np.ndarray:
    rows = [line.split(",") for line in body.decode().splitlines() if line.strip()]
    return np.asarray(rows, dtype=np.float64)


def read_npy(body: bytes) -> np.ndarray:
    return np.load(io.BytesIO(body), allow_pickle=False).astype(np.float64)


READERS = {"application/json": read_json, "text/csv": read_csv, NPY: read_npy}


def read_rows(body: bytes, content_type: str) -> np.ndarray:
    """The images as rows of 64 numbers. Raises Unreadable."""
    try:
        rows = READERS[content_type](body)
    except Unreadable:
        raise
    except (ValueError, TypeError, EOFError) as error:
        raise Unreadable(f"the body is not rows of numbers as {content_type}: {error}") from error
    if rows.ndim == 1 and len(rows) == PIXELS:
        rows = rows.reshape(1, PIXELS)
    if rows.ndim != 2 or rows.shape[1] != PIXELS or not np.isfinite(rows).all():
        raise Unreadable(f"expected rows of {PIXELS} finite numbers, got shape {rows.shape}")
    return rows


def write_npy(probabilities: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, probabilities.astype(np.float32))
    return buffer.getvalue()


def write_json(probabilities: np.ndarray) -> bytes:
    predictions = [
        {"label": int(row.argmax()), "probabilities": [round(float(p), 6) for p in row]} for row in probabilities
    ]
    return json.dumps({"predictions": predictions}).encode()


def make_app(model: Any) -> web.Application:
    """The container around a trained classifier."""

    async def invoke(request: web.Request) -> web.Response:
        if request.content_type not in READERS:
            text = f"cannot read {request.content_type}; send one of {', '.join(READERS)}"
            return web.json_response({"error": text}, status=415)
        probabilities = model.predict_proba(read_rows(await request.read(), request.content_type))
        headers = {"X-Amzn-SageMaker-Custom-Attributes": f"model=digits;rows={len(probabilities)}"}
        if NPY in request.headers.get("Accept", ""):
            return web.Response(body=write_npy(probabilities), content_type=NPY, headers=headers)
        return web.Response(body=write_json(probabilities), content_type="application/json", headers=headers)

    app = new_app()
    app.router.add_post("/invocations", invoke)
    return app


if __name__ == "__main__":
    options = arguments(__doc__).parse_args()
    serve(make_app(train()), options.port)
