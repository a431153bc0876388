"""The picture behind `sample:`: a dim room with a window on a sunlit lake, painted by arithmetic."""
