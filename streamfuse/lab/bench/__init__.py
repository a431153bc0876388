"""Speed: of stages, of the fusion alone, of whole runs, beside baselines."""
