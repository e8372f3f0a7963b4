"""The REST API, `/api/v1/`: operations that check, call one action or query, and answer.

Document: `/api/docs`. Errors: application/problem+json, see `chat.api.answers`.
"""
