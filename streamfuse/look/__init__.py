"""The look: brightness, contrast, colour and a LUT, on fused frames as they leave the fusion."""
