"""Train one model in PyTorch on prepared data, and test it.

python main_pytorch.py --dataset movielens-100k --model vae
python main_pytorch.py --help
"""

import sys

from experiments.run import door

if __name__ == "__main__":
    sys.exit(door("pytorch"))
