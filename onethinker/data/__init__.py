"""Where samples come from: public data sets (`sources/`) and procedural worlds (`worlds/`); `inspect` checks and counts
them."""
