"""Programs that run inside an image: started by a runtime, configured by environment variables only."""
