"""Where samples come from: public data sets, procedural worlds, and the tools that mix, clean and inspect them."""
