"""Training: supervised fine-tuning and reinforcement learning on images, videos and text."""
