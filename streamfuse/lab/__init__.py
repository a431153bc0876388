"""What no run needs: training, measuring, exporting."""
