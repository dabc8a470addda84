from moru import Sandbox
from moru.exceptions import NotFoundException

try:
    sandbox = Sandbox.connect("sbx_abc123...")
    sandbox.kill()
except NotFoundException:
    print("Sandbox already terminated")
