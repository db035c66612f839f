"""The API under several servers, and somebody who asks for more without a pause."""
