"""python -m stream_sim"""

from infra import console
from stream_sim.cli import app

if __name__ == "__main__":
    console.run(app)
