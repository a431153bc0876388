"""Frames over ZeroMQ, as both ends see them: messages, endpoints, keys, and the receiving half of a stream."""
