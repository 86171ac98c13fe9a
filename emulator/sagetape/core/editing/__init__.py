"""Interactions as plain documents that people read and edit, and back, without loss."""

from .bodies import DocumentError, body_from, body_of
from .documents import SCHEMA, document_of, interaction_from

__all__ = ["SCHEMA", "DocumentError", "body_from", "body_of", "document_of", "interaction_from"]
