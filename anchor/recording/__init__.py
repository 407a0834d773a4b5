"""Screen recordings: which display can be recorded, and recording it by ffmpeg."""
