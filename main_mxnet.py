"""Train one model in MXNet on prepared data, and test it.

python main_mxnet.py --dataset movielens-100k --model vae
python main_mxnet.py --help
"""

import sys

from experiments.run import door

if __name__ == "__main__":
    sys.exit(door("mxnet"))
