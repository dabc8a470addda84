from moru import Sandbox

# Kill directly by ID
Sandbox.kill("sbx_abc123...")
