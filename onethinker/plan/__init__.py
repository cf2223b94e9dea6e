"""What a recipe needs: memory, time and tokens, from counted FLOPs."""
