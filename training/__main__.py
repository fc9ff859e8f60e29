"""python -m training"""

from infra import console
from training.cli import app

if __name__ == "__main__":
    console.run(app)
