"""Networks and methods written on top of minigrad, one file each."""
