"""What a running stream shows of itself over HTTP: page, pictures, health and metrics."""
